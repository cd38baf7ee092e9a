"""Slow, obvious forms that fast ones are compared with."""

from itertools import product

import torch


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
        seen = x[:, :, top : top + len(rows) * d : d, left : left + len(columns) * d : d]
        weight = conv.weight[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pixels.append(torch.einsum(formula, seen, weight))
    out = torch.stack(pixels, -1).view(B, -1, H, W)
    return out if conv.bias is None else out + conv.bias[:, None, None]


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
