"""Global and sparse global attention against packages we did not write, and loops over pixels."""

import importlib
import math
import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from timm.layers import NonLocalAttn, PatchEmbed
from timm.models.pvt_v2 import Attention as TimmSpatialReduction
from timm.models.vision_transformer import Attention as TimmAttention
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from denoise.attention.dat import DeformableAttention
from denoise.attention.non_local import NonLocalBlock
from denoise.attention.pvt import SpatialReductionAttention
from denoise.attention.vit import PatchAttention


def linear(layer, x):
    """A linear layer or 1x1 convolution on the second axis of x."""
    weight = layer.weight.flatten(1)
    out = torch.einsum("oc,bc...->bo...", weight, x)
    return out if layer.bias is None else out + layer.bias.view(-1, *[1] * (x.ndim - 2))


def layer_norm(layer, x):
    """Layer norm of (B, C)."""
    x = x - x.mean(1, keepdim=True)
    return x / (x.square().mean(1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def window(x, top, left, kernel):
    """Pixels of a square window, those outside repeated from the border: (B, C, k * k)."""
    H, W = x.shape[2:]
    rows = [min(max(top + i, 0), H - 1) for i in range(kernel) for _ in range(kernel)]
    columns = [min(max(left + j, 0), W - 1) for _ in range(kernel) for j in range(kernel)]
    return x[:, :, rows, columns]


def depthwise(conv, x):
    """A depthwise convolution of (B, C, H, W) with stride 1 and zeros around."""
    H, W = x.shape[2:]
    k = conv.kernel_size[0]
    wide = x.new_zeros(*x.shape[:2], H + k - 1, W + k - 1)
    wide[:, :, k // 2 : k // 2 + H, k // 2 : k // 2 + W] = x
    taps = [(a, b) for a in range(k) for b in range(k)]
    out = sum(conv.weight[:, :, a, b, None] * wide[:, :, a : a + H, b : b + W] for a, b in taps)
    return out + conv.bias[:, None, None]


def attend(q, k, v, heads, scale=None):
    """Softmax attention of each query (B, C, T) in turn to keys and values (B, C, S): (B, C, T)."""
    B, C, S = k.shape
    scale = (C // heads) ** -0.5 if scale is None else scale
    k, v = (t.view(B, heads, C // heads, S) for t in (k, v))
    rows = []
    for query in q.unbind(-1):
        logits = torch.einsum("bnd,bnds->bns", query.view(B, heads, -1), k) * scale
        rows.append(torch.einsum("bns,bnds->bnd", logits.softmax(-1), v).flatten(1))
    return torch.stack(rows, -1)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_non_local_is_timms(size):
    official = randomize(NonLocalAttn(8, rd_channels=4)).double().eval()
    with torch.no_grad():
        official.norm.running_mean.normal_()
        official.norm.running_var.uniform_(0.5, 2)
    mixer = NonLocalBlock(8, 2, 0, scale=8**-0.5).double()

    def ours(x):
        gain = official.norm.weight / (official.norm.running_var + official.norm.eps).sqrt()
        shift = (official.z.bias - official.norm.running_mean) * gain + official.norm.bias
        parts = (official.t, official.p, official.g)
        weights = {
            "qkv.weight": torch.cat([part.weight for part in parts])[..., 0, 0],
            "qkv.bias": torch.cat([part.bias for part in parts]),
            "proj.weight": official.z.weight[..., 0, 0] * gain[:, None],
            "proj.bias": shift,
        }
        return functional_call(mixer, weights, (x,))

    theirs = parameters(official)
    x = normal(2, 8, *size)
    assert_same((ours, theirs), (lambda x: official(x) - x, theirs), x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("pool", "scale"), [(1, None), (1, 1.0), (2, None), (3, 0.2)])
def test_non_local_by_pixels(size, pool, scale):
    mixer = randomize(NonLocalBlock(8, 2, 0, pool=pool, scale=scale)).double()
    H, W = size

    def oracle(x):
        q, k, v = linear(mixer.qkv, x).chunk(3, dim=1)
        keys, values = (
            torch.stack(
                [
                    t[:, :, i : i + pool, j : j + pool].amax((2, 3))
                    for i in range(0, H, pool)
                    for j in range(0, W, pool)
                ],
                -1,
            )
            for t in (k, v)
        )
        out = attend(q.flatten(2), keys, values, 1, scale)
        return linear(mixer.proj, out).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_non_local_begins_with_nothing():
    assert NonLocalBlock(8, 2, 0)(normal(2, 8, 9, 13).float()).abs().max() == 0


def test_non_local_has_a_channel_at_least():
    assert NonLocalBlock(1, 1, 0)(normal(2, 1, 3, 5).float()).shape == (2, 1, 3, 5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(4, 4), (8, 20), (24, 12)], ids=str)
def test_vit_is_timms_where_patches_fit(size, bias):
    embed = PatchEmbed(None, 4, 8, 8, dynamic_img_pad=True)
    parts = {"embed": embed, "attention": TimmAttention(8, 2, qkv_bias=bias)}
    official = randomize(torch.nn.ModuleDict(parts)).double()
    mixer = randomize(PatchAttention(8, 2, 0, qkv_bias=bias)).double()
    attention, unpatch = official["attention"], mixer.unpatch
    H, W = size

    def theirs(x):
        out = F.linear(attention(official["embed"](x)), unpatch.weight, unpatch.bias)
        return F.pixel_shuffle(out.mT.unflatten(2, (H // 4, W // 4)), 4)

    def ours(x):
        weights = {name: torch.zeros_like(p) for name, p in mixer.position.named_parameters()}
        weights = {f"position.{name}": p for name, p in weights.items()}
        weights |= {f"patch.{name}": p for name, p in official["embed"].proj.named_parameters()}
        weights |= {f"qkv.{name}": p for name, p in attention.qkv.named_parameters()}
        weights["unpatch.weight"] = unpatch.weight @ attention.proj.weight
        weights["unpatch.bias"] = unpatch.weight @ attention.proj.bias + unpatch.bias
        return functional_call(mixer, weights, (x,))

    both = parameters(official) | {f"unpatch.{n}": p for n, p in unpatch.named_parameters()}
    assert_same((ours, both), (theirs, both), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("patch", [4, 5])
def test_vit_by_tokens(size, patch):
    mixer = randomize(PatchAttention(8, 2, 0, patch_size=patch)).double()
    H, W = size
    rows, columns = math.ceil(H / patch), math.ceil(W / patch)
    grid = [(a, b) for a in range(rows) for b in range(columns)]

    def oracle(x):
        weight = mixer.patch.weight.flatten(2)
        patches = [window(x, a * patch, b * patch, patch) for a, b in grid]
        tokens = [torch.einsum("ock,bck->bo", weight, p) + mixer.patch.bias for p in patches]
        tokens = torch.stack(tokens, -1).unflatten(2, (rows, columns))
        tokens = tokens + depthwise(mixer.position, tokens)
        q, k, v = linear(mixer.qkv, tokens.flatten(2)).chunk(3, dim=1)
        out = linear(mixer.unpatch, attend(q, k, v, 2)).view(2, 8, patch, patch, rows, columns)
        pixels = [
            out[:, :, i % patch, j % patch, i // patch, j // patch]
            for i in range(H)
            for j in range(W)
        ]
        return torch.stack(pixels, -1).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("size", "sr_ratio", "flag"),
    [((8, 12), 4, False), ((24, 16), 8, False), ((7, 9), 1, False)]
    + [(size, 2, True) for size in ODD_SIZES],
)
def test_pvt_is_timms_where_squares_fit(size, sr_ratio, flag, bias):
    official = TimmSpatialReduction(8, 2, sr_ratio, linear_attn=flag, qkv_bias=bias)
    randomize(official).double()
    mixer = SpatialReductionAttention(8, 2, 0, sr_ratio=sr_ratio, linear=flag, qkv_bias=bias)
    mixer.double().load_state_dict(official.state_dict())

    def tokens(x):
        return official(x.flatten(2).mT, size).mT.unflatten(2, size)

    x = normal(2, 8, *size)
    assert_same((mixer, parameters(mixer)), (tokens, parameters(official)), x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("sr_ratio", "flag"), [(8, False), (3, False), (1, False), (8, True)])
def test_pvt_by_pixels(size, sr_ratio, flag):
    mixer = SpatialReductionAttention(8, 2, 0, sr_ratio=sr_ratio, linear=flag)
    randomize(mixer).double()
    H, W = size

    def squares(x):
        for top in range(0, H, sr_ratio):
            for left in range(0, W, sr_ratio):
                pixels = window(x, top, left, sr_ratio)
                token = torch.einsum("ock,bck->bo", mixer.sr.weight.flatten(2), pixels)
                yield layer_norm(mixer.norm, token + mixer.sr.bias)

    def means(x):
        for i in range(7):
            for j in range(7):
                rows = slice(i * H // 7, math.ceil((i + 1) * H / 7))
                columns = slice(j * W // 7, math.ceil((j + 1) * W / 7))
                token = linear(mixer.sr, x[:, :, rows, columns].mean((2, 3)))
                yield F.gelu(layer_norm(mixer.norm, token))

    def oracle(x):
        tokens = x.flatten(2)
        if flag or sr_ratio > 1:
            tokens = torch.stack(list(means(x) if flag else squares(x)), -1)
        k, v = linear(mixer.kv, tokens).chunk(2, dim=1)
        out = attend(linear(mixer.q, x).flatten(2), k, v, 2)
        return linear(mixer.proj, out).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_pvt_states_what_its_linear_form_is():
    mixer = randomize(SpatialReductionAttention(16, 2, 0, linear=True)).double()
    assert (mixer.properties.complexity, mixer.properties.shift_period) == ("N", None)
    x = normal(1, 16, 56, 56)
    for shift in (1, 2, 4):
        assert (mixer(x.roll(shift, 2)).roll(-shift, 2) - mixer(x)).abs().max() > 1e-6
    assert SpatialReductionAttention(16, 2, 0, sr_ratio=1).properties.family == "global"


def test_pvt_exports_its_linear_form():
    mixer = randomize(SpatialReductionAttention(16, 2, 0, linear=True)).double().eval()
    side = {2: torch.export.Dim("H", min=32, max=4096), 3: torch.export.Dim("W", min=32, max=4096)}
    program = torch.export.export(mixer, (normal(2, 16, 41, 47),), dynamic_shapes=(side,))
    other = normal(2, 16, 57, 66)
    torch.testing.assert_close(program.module()(other), mixer(other), rtol=0, atol=1e-10)


@pytest.fixture
def float64():
    """Constants without a dtype, such as DAT's range of offsets, are made in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("stride", "stage"), [(8, 0), (4, 2)])
def test_dat_is_its_first_version_read_by_pixels(size, stride, stage, monkeypatch):
    """The published places are fractions of the image; read as such they lie inside it."""
    pytest.importorskip("fightingcv_attention")
    with warnings.catch_warnings(action="ignore"):
        module = importlib.import_module("fightingcv_attention.attention.DAT")

    def read(input, grid, mode, align_corners):
        return F.grid_sample(input, grid, mode, "border", align_corners=False)

    monkeypatch.setattr(module, "F", SimpleNamespace(softmax=F.softmax, grid_sample=read))
    official = module.DAttentionBaseline(
        size, size, 2, 4, 2, 0.0, 0.0, stride, 2, True, True, False, False, stage
    )
    randomize(official).double()
    mixer = DeformableAttention(
        8, 2, 0, stride=stride, groups=2, offset_kernel=official.conv_offset[0].kernel_size[0]
    ).double()

    def ours(x):
        pairs = {
            "q": official.proj_q,
            "proj": official.proj_out,
            "position": official.rpe_table,
            "offset_conv": official.conv_offset[0],
            "offset_norm": official.conv_offset[1].norm,
        }
        weights = {
            f"{name}.{kind}": parameter.view(getattr(mixer, name).get_parameter(kind).shape)
            for name, layer in pairs.items()
            for kind, parameter in layer.named_parameters()
        }
        kv = (official.proj_k, official.proj_v)
        weights["kv.weight"] = torch.cat([layer.weight for layer in kv])[..., 0, 0]
        weights["kv.bias"] = torch.cat([layer.bias for layer in kv])
        # Theirs are rows, then columns.
        weights["offset_proj.weight"] = official.conv_offset[3].weight[..., 0, 0].flip(0)
        return functional_call(mixer, weights, (x,))

    theirs = parameters(official)
    assert_same((ours, theirs), (lambda x: official(x)[0], theirs), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(
    ("stride", "groups", "offset_range", "kernel"), [(8, 1, 2, 9), (3, 2, 5, 3), (5, 4, 0.5, 7)]
)
def test_dat_by_pixels(size, stride, groups, offset_range, kernel):
    mixer = DeformableAttention(
        8, 2, 0, stride=stride, groups=groups, offset_range=offset_range, offset_kernel=kernel
    )
    randomize(mixer).double()
    H, W = size
    rows, columns = math.ceil(H / stride), math.ceil(W / stride)

    def bilinear(x, y, z):
        """Read (C, H, W) at row y, column z."""
        y, z = y.clamp(0, H - 1), z.clamp(0, W - 1)
        top, left = int(y.floor()), int(z.floor())
        bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
        y, z = y - top, z - left
        above = x[:, top, left] * (1 - z) + x[:, top, right] * z
        below = x[:, bottom, left] * (1 - z) + x[:, bottom, right] * z
        return above * (1 - y) + below * y

    def read(x, q):
        """What the keys of one group read: (B, C / groups, T)."""
        hidden = depthwise(mixer.offset_conv, q)[:, :, ::stride, ::stride]
        keys = []
        for a, b in ((a, b) for a in range(rows) for b in range(columns)):
            offset = F.gelu(layer_norm(mixer.offset_norm, hidden[:, :, a, b]))
            z, y = (linear(mixer.offset_proj, offset).tanh() * offset_range / 2).unbind(1)
            # Pixel p has its centre at p + 1/2.
            y = (a + 0.5 + y) * H / rows - 0.5
            z = (b + 0.5 + z) * W / columns - 0.5
            keys.append(torch.stack(list(map(bilinear, x, y, z))))
        return torch.stack(keys, -1)

    def oracle(x):
        q = linear(mixer.q, x)
        keys = torch.cat(list(map(read, x.chunk(groups, 1), q.chunk(groups, 1))), 1)
        k, v = linear(mixer.kv, keys).chunk(2, dim=1)
        out = attend(q.flatten(2), k, v, 2)
        return linear(mixer.proj, out.view(x.shape) + depthwise(mixer.position, q))

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(NonLocalBlock, pool=0), "pool=0"),
        (partial(DeformableAttention, groups=3), "groups=3"),
        (partial(DeformableAttention, offset_kernel=4), "offset_kernel=4"),
    ],
)
def test_refuses_what_does_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make(8, 2, 0)


class Largest(TorchDispatchMode):
    """Remembers the most elements of any tensor that was made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [t for t in (out if isinstance(out, (tuple, list)) else [out]) if t is not None]
        self.elements = max([self.elements, *(t.numel() for t in made if torch.is_tensor(t))])
        return out


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        NonLocalBlock,
        partial(NonLocalBlock, pool=2),
        partial(PatchAttention, patch_size=2),
        partial(SpatialReductionAttention, sr_ratio=1),
        partial(SpatialReductionAttention, sr_ratio=2),
        partial(DeformableAttention, stride=2),
    ],
)
def test_never_holds_all_pairs_of_queries_and_keys(make, layout):
    mixer = randomize(make(16, 1, 0))
    x = normal(1, 16, 80, 48).float().contiguous(memory_format=layout).requires_grad_()
    with Largest() as largest:
        mixer(x).sum().backward()
    assert x.numel() <= largest.elements <= 3 * x.numel()
