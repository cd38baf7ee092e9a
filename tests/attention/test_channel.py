"""Channel attention and gates against packages we did not write, and loops over pixels."""

from itertools import product

import pytest
import test_attention
import torch
from deepinv.models.restormer import Attention
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps
from spandrel.architectures.NAFNet.__arch.NAFNet_arch import NAFBlock
from timm.layers.cbam import CbamModule
from torch import nn

from denoise.attention.cbam import CBAM
from denoise.attention.lka import LargeKernelAttention
from denoise.attention.mdta import MDTA
from denoise.attention.mlka import MultiScaleLargeKernelAttention
from denoise.attention.sca import SimplifiedChannelAttention


def gelu(x):
    return x * (1 + torch.erf(x / 2**0.5)) / 2


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_mdta_is_restormers(heads, bias, size):
    official = randomize(Attention(16, heads, bias)).double()
    mixer = MDTA(16, heads, 0, bias=bias).double()
    mixer.load_state_dict(official.state_dict())
    x = normal(2, 16, *size)
    assert_same((mixer, parameters(mixer)), (official, parameters(official)), x)


@pytest.mark.parametrize("autocast", [False, True])
def test_mdta_of_a_large_image_fits_float16(autocast):
    """Its sums over pixels do not."""
    mixer, x = randomize(MDTA(16, 2, 0)), 10 * normal(1, 16, 256, 256)
    exact = mixer.double()(x)
    mixer.to(torch.float32 if autocast else torch.float16)
    leaf = x.to(mixer.qkv.weight.dtype).requires_grad_()
    with torch.autocast("cpu", torch.float16, enabled=autocast):
        out = mixer(leaf)
    out.double().mean().backward()
    assert (out - exact).abs().max() < 0.01 * exact.abs().max()
    assert all(torch.isfinite(p.grad).all() for p in (leaf, *mixer.parameters()))


def mdta_by_windows(mixer, window, stride, x):
    """Restormer's formula in one window after the other, with its mean over a pixel's windows."""
    B, C, H, W = x.shape
    N = len(mixer.temperature)
    qkv = by_taps(mixer.qkv_dwconv, mixer.qkv(x)).view(B, 3, N, C // N, H, W)

    def starts(length):
        found = [0]
        while found[-1] + window < length:
            found.append(found[-1] + stride)
        return found

    total, count = torch.zeros_like(x), torch.zeros(H, W).double()
    for i, j in product(starts(H), starts(W)):
        here = (..., slice(i, i + window), slice(j, j + window))
        q, k, v = qkv[here].flatten(4).unbind(1)
        q, k = (t / t.norm(dim=-1, keepdim=True) for t in (q, k))
        logits = torch.einsum("bnct,bndt->bncd", q, k) * mixer.temperature
        mixed = torch.einsum("bncd,bndt->bnct", logits.softmax(-1), v)
        place = torch.zeros_like(total)
        place[here] = mixed.reshape(B, C, *place[here].shape[2:])
        total = total + place
        count[here] += 1
    return mixer.project_out(total / count)


WINDOWS = [(8, None), (6, 2), (4, 4)]


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_mdta_by_windows(size, window, stride):
    mixer = randomize(MDTA(8, 2, 0, bias=True, window=window, stride=stride)).double()

    def loop(x):
        return mdta_by_windows(mixer, window, stride or window // 2, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_mdta_in_windows_keeps_the_contract(window, stride, monkeypatch):
    def mixers(name, dim=16, num_heads=2, index=1):
        return [randomize(MDTA(dim, num_heads, index, window=window, stride=stride))]

    monkeypatch.setattr(test_attention, "mixers", mixers)
    contract, properties = test_attention.TestContract(), test_attention.TestFacts()
    for size in test_attention.SIZES:
        contract.test_any_size_and_precision("mdta", size, 3, 2, 0)
        contract.test_padding_carries_no_weight("mdta", size, monkeypatch)
    for dtype in (torch.float32, torch.bfloat16):
        contract.test_precision("mdta", dtype)
    contract.test_images_of_a_batch_do_not_meet("mdta")
    contract.test_autocast("mdta")
    contract.test_channels_last_stays_and_changes_nothing("mdta")
    if stride is None:
        contract.test_compiles_without_a_break("mdta")
        contract.test_exports_with_open_sizes_or_says_why_not("mdta", 0)
    for length, axis in product((13, 48), (2, 3)):
        properties.test_reach_is_what_decides_and_no_more("mdta", 0, axis, length)
    properties.test_a_crop_gives_the_same_exactly_with_a_reach("mdta", 0)
    properties.test_step("mdta", monkeypatch)
    properties.test_constant_image_stays_constant("mdta")
    properties.test_cost("mdta")


def test_mdta_in_a_window_around_the_image_is_the_papers():
    mixer, wide = (randomize(MDTA(8, 2, 0, window=w)).double() for w in (None, 32))
    assert_same((wide, parameters(wide)), (mixer, parameters(mixer)), normal(2, 8, 31, 17))


def test_mdta_refuses_a_stride_that_leaves_gaps():
    with pytest.raises(ValueError, match="stride=3 does not divide window=8"):
        MDTA(8, 2, 0, window=8, stride=3)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_sca_is_nafnets(size):
    mixer = randomize(SimplifiedChannelAttention(8, 2, 0)).double()
    block = NAFBlock(8).double()
    pairs = {
        "conv1": mixer.expand, "conv2": mixer.dwconv, "sca.1": mixer.attend, "conv3": mixer.proj
    }  # fmt: skip
    ours = {f"{k}.{n}": p for k, m in pairs.items() for n, p in m.named_parameters()}
    block.load_state_dict(ours, strict=False)
    theirs = {name: block.get_parameter(name) for name in ours}
    block.norm1 = block.norm2 = nn.Identity()
    nn.init.zeros_(block.gamma)
    nn.init.ones_(block.beta)
    assert_same((mixer, ours), (lambda x: block(x) - x, theirs), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_sca_by_pixels(size):
    mixer = randomize(SimplifiedChannelAttention(8, 2, 0)).double()

    def loop(x):
        x = by_taps(mixer.dwconv, by_taps(mixer.expand, x))
        x = x[:, :8] * x[:, 8:]
        mean = sum(x[..., i : i + 1, j : j + 1] for i, j in product(*map(range, size)))
        x = x * by_taps(mixer.attend, mean / (size[0] * size[1]))
        return by_taps(mixer.proj, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_cbam_is_timms(size, batch_norm):
    act = nn.ReLU if batch_norm else nn.LeakyReLU
    official = randomize(CbamModule(16, 1 / 4, mlp_bias=True, act_layer=act)).double()
    mixer = CBAM(16, 2, 0, reduction=4, official=batch_norm).double()
    if batch_norm:
        mixer.norm.load_state_dict(official.spatial.conv.bn.state_dict())
    else:
        official.spatial.conv.bn = nn.Identity()
    names = {"channel.0": "channel.fc1", "channel.2": "channel.fc2", "spatial": "spatial.conv.conv"}
    state = {
        f"{a}.{n}": p for a, b in names.items()
        for n, p in official.get_submodule(b).named_parameters()
    }  # fmt: skip
    mixer.load_state_dict(state, strict=not batch_norm)
    mixer.spatial.weight.data = mixer.spatial.weight.data.flip(1)  # timm's has the mean first
    state["spatial.weight"] = theirs = official.spatial.conv.conv.weight
    state |= {f"norm.{n}": p for n, p in official.spatial.conv.bn.named_parameters()}
    hooked = mixer.spatial.weight.register_hook(lambda gradient: gradient.flip(1))
    assert theirs.shape == mixer.spatial.weight.shape
    assert_same((mixer, parameters(mixer)), (official, state), normal(2, 16, *size))
    hooked.remove()


@pytest.mark.parametrize("pool", ["avg_max", "avg"])
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_cbam_by_pixels(size, pool):
    mixer = randomize(CBAM(8, 2, 0, reduction=4, pool=pool)).double()

    def dense(statistic):
        hidden = by_taps(mixer.channel[0], statistic)
        return by_taps(mixer.channel[2], torch.where(hidden > 0, hidden, 0.01 * hidden))

    def loop(x):
        pixels = [x[..., i : i + 1, j : j + 1] for i, j in product(*map(range, size))]
        logits = dense(sum(pixels) / len(pixels))
        if pool == "avg_max":
            logits = logits + dense(torch.stack(pixels).max(0).values)
        x = x / (1 + (-logits).exp())
        channels = x.unbind(1)
        pair = torch.stack([torch.stack(channels).max(0).values, sum(channels) / 8], 1)
        return x / (1 + (-by_taps(mixer.spatial, pair)).exp())

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


def test_cbam_keeps_a_hidden_unit_and_refuses_what_it_does_not_know():
    assert CBAM(8, 2, 0, reduction=16).channel[0].out_channels == 1
    with pytest.raises(ValueError, match="kernel_size=4"):
        CBAM(8, 2, 0, kernel_size=4)
    with pytest.raises(ValueError, match="pool=max"):
        CBAM(8, 2, 0, pool="max")


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_lka_by_pixels(size):
    mixer = randomize(LargeKernelAttention(8, 2, 0)).double()

    def loop(x):
        x = gelu(by_taps(mixer.proj_in, x))
        x = x * by_taps(mixer.point, by_taps(mixer.far, by_taps(mixer.near, x)))
        return by_taps(mixer.proj, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize(
    ("channels", "size"), [*((8, size) for size in ODD_SIZES), (1, (9, 13)), (2, (7, 9))], ids=str
)
def test_mlka_by_pixels(channels, size):
    mixer = randomize(MultiScaleLargeKernelAttention(channels, 1, 0)).double()
    widths = {8: [2, 2, 4], 2: [2], 1: [1]}[channels]
    kernels = [(3, 5, 2), (5, 7, 3), (7, 9, 4)][-len(widths) :]

    def loop(x):
        gate, value = by_taps(mixer.proj_in, x).split(channels, 1)
        parts = []
        for branch, part in zip(mixer.branches, gate.split(widths, 1), strict=True):
            wide = by_taps(branch.point, by_taps(branch.far, by_taps(branch.near, part)))
            parts.append(wide * by_taps(branch.gate, part))
        return by_taps(mixer.proj, value * torch.cat(parts, 1))

    shapes = [(b.near.kernel_size[0], b.far.kernel_size[0], b.far.dilation[0])
              for b in mixer.branches]  # fmt: skip
    assert shapes == kernels
    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, channels, *size))
