"""Every attention against a package we did not write, or a loop over pixels."""

import pytest
import timm
import torch
from conftest import assert_same, randomize
from deepinv.models.restormer import Attention
from torchvision.models.swin_transformer import ShiftedWindowAttention as TorchvisionSwin

from denoise.attention.mdta import MDTA
from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.swin import ShiftedWindowAttention

SIZES = [(1, 1), (3, 5), (7, 9), (8, 8), (9, 13), (17, 6), (33, 26)]


def image(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()


def parameters(module):
    return dict(module.named_parameters())


def by_pixels(mixer, x, seen, bias):
    """Attention by a loop over pixels, from the mixer's own projections.

    `seen(place, length)` lists who is seen along an axis, `bias(dy, dx)` gives (N, *dy.shape).
    """
    B, C, H, W = x.shape
    N = mixer.num_heads
    q, k, v = mixer.qkv(x).view(B, 3, N, C // N, H, W).unbind(1)
    rows = []
    for i in range(H):
        for j in range(W):
            y, x_ = torch.meshgrid(
                torch.tensor(seen(i, H)), torch.tensor(seen(j, W)), indexing="ij"
            )
            logits = torch.einsum("bnd,bndyx->bnyx", q[..., i, j], k[..., y, x_])
            logits = logits * (C // N) ** -0.5 + bias(y - i, x_ - j)
            weight = logits.flatten(2).softmax(-1).view(logits.shape)
            rows.append(torch.einsum("bnyx,bndyx->bnd", weight, v[..., y, x_]).flatten(1))
    return mixer.proj(torch.stack(rows, -1).view(B, C, H, W))


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_mdta_is_restormers(heads, bias):
    official = randomize(Attention(16, heads, bias)).double()
    mixer = MDTA(16, heads, 0, bias=bias).double()
    mixer.load_state_dict(official.state_dict())
    x = image(2, 16, 9, 13)
    assert_same((mixer, parameters(mixer)), (official, parameters(official)), x)


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(8, 12), (4, 16)], ids=str)
def test_swin_is_torchvisions_where_windows_fit(shift, size):
    official = randomize(TorchvisionSwin(16, [4, 4], [shift, shift], 2)).double()
    mixer = ShiftedWindowAttention(16, 2, shift // 2, window_size=4).double()
    pairs = {
        "qkv.weight": mixer.qkv.weight,
        "qkv.bias": mixer.qkv.bias,
        "proj.weight": mixer.proj.weight,
        "proj.bias": mixer.proj.bias,
        "relative_position_bias_table": mixer.position_bias,
    }
    with torch.no_grad():
        for name, parameter in official.named_parameters():
            pairs[name].copy_(parameter.view(pairs[name].shape))

    def channels_first(x):
        return official(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    # torchvision's linear weights have no kernel axes: compare them in that shape.
    for p in (mixer.qkv, mixer.proj):
        p.weight = torch.nn.Parameter(p.weight.detach())
    x = image(2, 16, *size)
    ours = {"qkv.bias": mixer.qkv.bias, "proj.bias": mixer.proj.bias}
    ours["relative_position_bias_table"] = mixer.position_bias
    theirs = {name: p for name, p in official.named_parameters() if name in ours}
    assert_same((mixer, ours), (channels_first, theirs), x)


def test_swin_is_timms_where_windows_fit():
    block = timm.models.swin_transformer.SwinTransformerBlock(
        16, (8, 12), 2, window_size=4, shift_size=2
    )
    official = randomize(block).double()
    mixer = ShiftedWindowAttention(16, 2, 1, window_size=4).double()
    with torch.no_grad():
        for name in ("qkv", "proj"):
            layer = getattr(official.attn, name)
            getattr(mixer, name).weight.copy_(layer.weight[:, :, None, None])
            getattr(mixer, name).bias.copy_(layer.bias)
        mixer.position_bias.copy_(official.attn.relative_position_bias_table)
    x = image(2, 16, 8, 12)
    expected = official._attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(mixer(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("window", "index"), [(8, 0), (8, 1), (5, 1), (4, 3)])
def test_swin_by_pixels(size, window, index):
    mixer = randomize(ShiftedWindowAttention(8, 2, index, window_size=window)).double()
    table = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)

    def seen(place, length):
        shift = window // 2 if index % 2 and length > window else 0
        return [p for p in range(length) if (p - shift) // window == (place - shift) // window]

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)
        return by_pixels(mixer, x, seen, lambda dy, dx: bias[:, window - 1 - dy, window - 1 - dx])

    assert table.shape == (2, 2 * window - 1, 2 * window - 1)
    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), image(2, 8, *size))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (5, 3), (7, 4)])
def test_neighborhood_by_pixels(size, kernel, dilation):
    mixer = randomize(
        NeighborhoodAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])
    ).double()

    def seen(place, length):
        k = max(1, min(kernel, length // dilation))
        offset, step = place % dilation, place // dilation
        count = -(-(length - offset) // dilation)
        start = min(max(step - k // 2, 0), count - k)
        return [offset + dilation * (start + i) for i in range(k)]

    def oracle(x):
        def bias(dy, dx):
            return mixer.position_bias[:, dy // dilation + kernel - 1, dx // dilation + kernel - 1]

        return by_pixels(mixer, x, seen, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), image(2, 8, *size))


def test_neighborhood_refuses_an_even_kernel():
    with pytest.raises(ValueError, match="kernel_size=4"):
        NeighborhoodAttention(8, 2, 0, kernel_size=4)
