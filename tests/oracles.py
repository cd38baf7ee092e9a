"""Slow, obvious forms that fast ones are compared with."""

from itertools import product

import pytest
import torch
from harness import assert_same, parameters, randomize
from torch.func import functional_call


def image(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def depends(mixer, length, width, axis):
    """Which output rows (columns) change with which input rows (columns): (input, output)."""
    x = 0.3 * image(1, 16, length, width, seed=5).double()
    x = x if axis == 2 else x.mT
    changed = x.repeat(length, 1, 1, 1)
    change = torch.randn(x.shape, generator=torch.Generator().manual_seed(6)).double()
    for place in range(length):
        changed[place].select(axis - 1, place).add_(change[0].select(axis - 1, place))
    with torch.no_grad():
        difference = (mixer(changed) - mixer(x)).abs()
    return difference.amax((1, 5 - axis)) / difference.max()


def by_taps(conv, x):
    """A convolution as a loop over pixels and those of its taps that lie inside the image."""
    B, _, H, W = x.shape
    (k, _), (d, _) = conv.kernel_size, conv.dilation
    formula = "bcyx,ocyx->bo" if conv.groups == 1 else "boyx,ocyx->bo"

    def inside(place, length):
        return [t for t in range(k) if 0 <= place + (t - k // 2) * d < length]

    pixels = []
    for i, j in product(range(H), range(W)):
        rows, columns = inside(i, H), inside(j, W)
        top, left = i + (rows[0] - k // 2) * d, j + (columns[0] - k // 2) * d
        visible = x[:, :, top : top + len(rows) * d : d, left : left + len(columns) * d : d]
        weight = conv.weight[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pixels.append(torch.einsum(formula, visible, weight))
    out = torch.stack(pixels, -1).view(B, -1, H, W)
    return out if conv.bias is None else out + conv.bias[:, None, None]


def by_pixels(mixer, x, visible, bias):
    """Attention by a loop over pixels, from the mixer's own projections.

    `visible(place, length)` lists the visible pixels of an axis, `bias(dy, dx)` is (N, *dy.shape).
    """
    B, C, H, W = x.shape
    N = mixer.num_heads
    q, k, v = mixer.qkv(x).view(B, 3, N, C // N, H, W).unbind(1)
    rows = []
    for i in range(H):
        for j in range(W):
            y, x_ = torch.meshgrid(
                torch.tensor(visible(i, H)), torch.tensor(visible(j, W)), indexing="ij"
            )
            logits = torch.einsum("bnd,bndyx->bnyx", q[..., i, j], k[..., y, x_])
            logits = logits * (C // N) ** -0.5 + bias(y - i, x_ - j)
            weight = logits.flatten(2).softmax(-1).view(logits.shape)
            rows.append(torch.einsum("bnyx,bndyx->bnd", weight, v[..., y, x_]).flatten(1))
    return mixer.proj(torch.stack(rows, -1).view(B, C, H, W))


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


def square(place, length, kernel, dilation):
    """The pixels of an axis among the `kernel` around a place."""
    receptive_field = range(-(kernel // 2) * dilation, kernel // 2 * dilation + 1, dilation)
    return [place + offset for offset in receptive_field if 0 <= place + offset < length]


def acmix_of_a_package(x, qkv, heads, attention, convolution, **named):
    """ACmix of fightingcv-attention, with our projection of queries, keys and values."""
    package = pytest.importorskip("fightingcv_attention.attention.ACmixAttention")
    theirs = package.ACmix(8, 8, attention, heads, convolution).double()
    theirs.dep_conv.padding = (convolution // 2,) * 2  # theirs fits a kernel of 3 alone
    for kind in ("weight", "bias"):
        for i, part in enumerate(getattr(qkv, kind).chunk(3)):
            named[f"conv{i + 1}.{kind}"] = part
    torch.set_default_dtype(torch.float64)
    try:
        return torch.func.functional_call(theirs, named, x)
    finally:
        torch.set_default_dtype(torch.float32)


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
