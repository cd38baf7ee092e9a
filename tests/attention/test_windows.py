"""Window attention against packages we did not write, or a loop over pixels."""

from itertools import product
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_pixels
from spandrel.architectures.HAT.__arch.HAT import HAT, OCAB
from timm.models.maxxvit import MaxxVitTransformerCfg, PartitionAttentionCl
from timm.models.swin_transformer import SwinTransformerBlock
from torch.func import functional_call
from torchvision.models.swin_transformer import ShiftedWindowAttention as TorchvisionSwin

from denoise.attention.cswin import CrossShapedWindowAttention
from denoise.attention.grid import GridAttention
from denoise.attention.oca import OverlappingCrossAttention
from denoise.attention.swin import ShiftedWindowAttention


def assert_is(official, attention, layers, table, mixer, x):
    """`mixer` with the weights of `official` gives the same, gradients of all weights included.

    `attention` maps (B, H, W, C), `layers` holds qkv and proj, `table` gives the position bias.
    """
    randomize(official).double()
    mixer.double()

    def ours(x):
        weights = {"position_bias": table()}
        for name in ("qkv", "proj"):
            for kind, p in getattr(layers, name).named_parameters():
                if name == "qkv" and getattr(layers, "head_first", False):  # rows (head, 3, d)
                    p = p.unflatten(0, (mixer.num_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
                weights[f"{name}.{kind}"] = p[..., None, None] if kind == "weight" else p
        return functional_call(mixer, weights, x)

    def theirs(x):
        return attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    # Of a block the norms and the mlp are no part of the attention.
    used = {n: p for n, p in parameters(official).items() if not n.startswith(("norm", "mlp"))}
    assert_same((ours, used), (theirs, used), x)


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(8, 12), (4, 16)], ids=str)
def test_swin_is_torchvisions_where_windows_fit(shift, size):
    official = TorchvisionSwin(16, [4, 4], [shift, shift], 2)
    mixer = ShiftedWindowAttention(16, 2, shift // 2, window_size=4)
    table = official.relative_position_bias_table
    assert_is(official, official, official, lambda: table, mixer, normal(2, 16, *size))


def test_swin_is_timms_where_windows_fit():
    official = SwinTransformerBlock(16, (8, 12), 2, window_size=4, shift_size=2)
    mixer = ShiftedWindowAttention(16, 2, 1, window_size=4)
    table = official.attn.relative_position_bias_table
    assert_is(official, official._attn, official.attn, lambda: table, mixer, normal(2, 16, 8, 12))


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("window", [4, 8])
def test_oca_is_spandrels_in_windows_that_see_no_border(window):
    H, W, full = 3 * window, 4 * window, window + window // 2
    inside = slice(window, -window)
    official = OCAB(16, (H, W), window, 0.5, 2)
    official.norm1 = torch.nn.Identity()
    index = HAT.calculate_rpi_oca(SimpleNamespace(window_size=window, overlap_ratio=0.5))
    mixer = OverlappingCrossAttention(16, 2, 0, window_size=window)
    mixer.register_forward_hook(lambda mixer, args, out: out[..., inside, inside])

    def interior(x):
        # Their block adds its input, and on top of that x + mlp(x).
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(official.mlp, "forward", torch.zeros_like)
            out = official(x.flatten(1, 2), (H, W), index).view(x.shape) - x
        return out[:, inside, inside]

    def table():
        # Their index runs from key to query and wraps around.
        wrapped = official.relative_position_bias_table
        return wrapped.roll((full - 2) * (window + full), 0).flip(0)

    assert_is(official, interior, official, table, mixer, normal(2, 16, H, W))


@pytest.mark.parametrize("size", [(8, 12), (4, 20)], ids=str)
def test_grid_is_timms_where_it_fits(size):
    cfg = MaxxVitTransformerCfg(dim_head=8, grid_size=(4, 4), rel_pos_type="bias")
    official = PartitionAttentionCl(16, "grid", cfg)
    mixer = GridAttention(16, 2, 0, grid_size=4)
    table = official.attn.rel_pos.relative_position_bias_table
    x = normal(2, 16, *size)
    assert_is(official, official._partition_attn, official.attn, lambda: table, mixer, x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "index"), [(8, 0), (8, 1), (5, 1), (3, 3)])
def test_swin_by_pixels(size, window, index):
    mixer = randomize(ShiftedWindowAttention(8, 2, index, window_size=window)).double()

    def visible(place, length):
        shift = window // 2 if index % 2 and length > window else 0
        return [p for p in range(length) if (p - shift) // window == (place - shift) // window]

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)
        return by_pixels(
            mixer, x, visible, lambda dy, dx: bias[:, window - 1 - dy, window - 1 - dx]
        )

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "ratio"), [(8, 0.5), (5, 0.4), (2, 4)])
def test_oca_by_pixels(size, window, ratio):
    mixer = OverlappingCrossAttention(8, 2, 0, window_size=window, overlap_ratio=ratio)
    randomize(mixer).double()
    margin = round(window * ratio / 2)

    def visible(place, length):
        first = place // window * window
        return [p for p in range(length) if first - margin <= p < first + window + margin]

    def oracle(x):
        middle = window + margin - 1
        bias = mixer.position_bias.T.view(2, 2 * middle + 1, 2 * middle + 1)
        return by_pixels(mixer, x, visible, lambda dy, dx: bias[:, middle - dy, middle - dx])

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("grid", [8, 5, 2])
def test_grid_by_pixels(size, grid):
    mixer = randomize(GridAttention(8, 2, 0, grid_size=grid)).double()
    stride = [-(-length // grid) for length in size]

    def visible(place, length):
        step = -(-length // grid)
        return list(range(place % step, length, step))

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * grid - 1, 2 * grid - 1)

        def steps(dy, dx):
            return bias[:, grid - 1 - dy // stride[0], grid - 1 - dx // stride[1]]

        return by_pixels(mixer, x, visible, steps)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("width", "heads"), [(4, 2), (3, 4), (1, 1)])
def test_cswin_by_pixels(size, width, heads):
    mixer = randomize(CrossShapedWindowAttention(8, heads, 0, stripe_width=width)).double()

    def stripe(place):
        return slice(place // width * width, (place // width + 1) * width)

    def oracle(x):
        B, C, H, W = x.shape
        v = mixer.qkv(x)[:, 2 * C :]
        near = F.pad(v, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)
        out = torch.einsum("bchwyx,cyx->bchw", near, mixer.lepe.weight[:, 0])
        out = out + mixer.lepe.bias[:, None, None]
        qkv = mixer.qkv(x).view(B, 3, 2, max(1, heads // 2), -1, H, W)
        pixels = []
        for i, j in product(range(H), range(W)):
            cross = (slice(H), stripe(j)), (stripe(i), slice(W))
            for half, (rows, columns) in zip(qkv.unbind(2), cross, strict=True):
                q = half[:, 0, ..., i, j]
                k, v = half[:, 1:, ..., rows, columns].flatten(-2).unbind(1)
                logits = torch.einsum("bnd,bndk->bnk", q, k) * q.shape[-1] ** -0.5
                pixels.append(torch.einsum("bnk,bndk->bnd", logits.softmax(-1), v).flatten(1))
        out = out + torch.stack(pixels, -1).view(B, C // 2, H, W, 2).movedim(4, 1).flatten(1, 2)
        return mixer.proj(out)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_what_has_no_half_is_refused():
    with pytest.raises(ValueError, match="dim=7"):
        CrossShapedWindowAttention(7, 1, 0)
    with pytest.raises(ValueError, match="num_heads=3"):
        CrossShapedWindowAttention(12, 3, 0)
    with pytest.raises(ValueError, match=r"overlap_ratio=0\.3"):
        OverlappingCrossAttention(8, 2, 0, overlap_ratio=0.3)
    with pytest.raises(ValueError, match="window_size=6"):
        OverlappingCrossAttention(8, 2, 0, window_size=6)


KINDS = [
    ShiftedWindowAttention, OverlappingCrossAttention, GridAttention, CrossShapedWindowAttention
]  # fmt: skip


@pytest.mark.parametrize("size", [(64, 32), (8, 8), (4, 64)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fused_kernels_can_be_used_and_masks_are_shared(kind, size, monkeypatch):
    attend, calls = F.scaled_dot_product_attention, []

    def watch(q, k, v, attn_mask=None):
        calls.append((q, k, v, attn_mask))
        return attend(q, k, v, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watch)
    kind(8, 2, 1).double()(normal(2, 8, *size))
    assert calls
    for *tokens, mask in calls:
        assert all(t.stride(-1) == 1 for t in tokens)
        assert mask is None or mask.shape[0] == mask.stride(-1) == 1
