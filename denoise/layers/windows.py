"""Windows of an image: cutting, joining, and attention within them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Runs of windows along an axis that share a mask: their number, and the mask of the keys that their
# queries attend to, (number or 1, queries or 1, keys), None for all.
Runs = list[tuple[int, Tensor | None]]


def pad(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Pad (B, H, W, C) at the bottom and the right to multiples of size (height, width)."""
    (H, W), (h, w) = x.shape[1:3], size
    below, right = round_up(H, h) - H, round_up(W, w) - W
    # An exported program serves every size and must not branch on it.
    if not torch.compiler.is_exporting() and below == right == 0:
        return x
    return F.pad(x, (0, 0, 0, right, 0, below))


def round_up(length: int, size: int) -> int:
    """Return the least multiple of `size` from `length`; torch.export rejects -length % size."""
    return (length + size - 1) // size * size


def partition(x: Tensor, num_heads: int, size: tuple[int, int]) -> Tensor:
    """Cut (B, H, W, C) into windows of size (h, w): (B, rows, columns, N, h, w, D)."""
    B, H, W, C = x.shape
    h, w = size
    x = x.view(B, H // h, h, W // w, w, num_heads, C // num_heads)
    return x.permute(0, 1, 3, 5, 2, 4, 6)


def merge(x: Tensor) -> Tensor:
    """Undo `partition`."""
    return x.permute(0, 1, 4, 2, 5, 3, 6).flatten(5).flatten(3, 4).flatten(1, 2)


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """Undo `pad`."""
    if torch.compiler.is_exporting():
        # Whether a slice is contiguous depends on the sizes: torch.export would specialise on one.
        rows, columns = (torch.arange(n, device=x.device) for n in (height, width))
        return x[:, rows[:, None], columns]
    return x[:, :height, :width]


def relative_position_index(queries: int, keys: int) -> Tensor:
    """Return the row of the bias table for each query and key of square windows of these sizes.

    Positions count from the first pixel of each window: (queries, queries, keys, keys).
    """
    row = torch.arange(queries)[:, None] - torch.arange(keys) + keys - 1
    return row[:, None, :, None] * (queries + keys - 1) + row[None, :, None, :]


def runs(
    length: int,
    size: int,
    visible: Callable[[Tensor], Tensor],
    device: torch.device,
    before: int = 0,
    after: int = 0,
) -> Runs:
    """Return the runs of windows at the low border, inside the image and at the high border.

    Args:
        length: pixels of the axis.
        size: pixels of a window.
        visible: returns the mask of the windows with these numbers, (number, 1, 1).
        device: of the masks.
        before: pixels of keys before those of the window.
        after: pixels of keys after those of the window.
    """
    count = (length + size - 1) // size
    if torch.compiler.is_exporting():
        # How many windows meet a border depends on the length: each gets a mask of its own.
        return [(count, visible(torch.arange(count, device=device)[:, None, None]))]
    low = min((before + size - 1) // size, count)
    high = max(low, (length - after) // size)
    found = []
    for start, end, edge in ((0, low, True), (low, high, False), (high, count, True)):
        if end > start:
            number = torch.arange(start, end, device=device)[:, None, None]
            found.append((end - start, visible(number) if edge else None))
    return found


def attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, rows: Runs, columns: Runs
) -> Tensor:
    """Softmax attention within windows, scaled by D^-0.5; shaped as the queries.

    Args:
        q: queries (B, rows, columns, N, height, width, D).
        k: keys, with a height and width of their own.
        v: values, shaped as the keys.
        bias: added to the logits, (N, query height, query width, key height, key width).
        rows: runs of windows along the height.
        columns: runs of windows along the width.
    """
    if bias is not None:
        bias = bias.contiguous()  # else SDPA does not use its fused kernels
    out = []
    # Split, not sliced: the gradient of a slice is a whole tensor of zeros.
    strips = (t.split([number for number, _ in rows], 1) for t in (q, k, v))
    for (_, visible_y), *strip in zip(rows, *strips, strict=True):
        row = []
        blocks = (t.split([number for number, _ in columns], 2) for t in strip)
        for (_, visible_x), *block in zip(columns, *blocks, strict=True):
            mask = _mask(bias, visible_y, visible_x, *block[:2])
            # SDPA stores all logits where the last axis is not contiguous.
            query, key, value = (t.flatten(4, 5).flatten(0, 2).contiguous() for t in block)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            row.append(mixed.view(block[0].shape))
        out.append(torch.cat(row, 2))
    return torch.cat(out, 1)


def _mask(
    bias: Tensor | None, visible_y: Tensor | None, visible_x: Tensor | None, q: Tensor, k: Tensor
) -> Tensor | None:
    """Return bias and mask of a block of windows: (windows or 1, N or 1, T or 1, T) or None."""
    if visible_y is None and visible_x is None:
        return None if bias is None else bias.flatten(3).flatten(1, 2)[None].to(q.dtype)
    if visible_y is None:
        visible_y = torch.ones(1, 1, k.shape[4], dtype=torch.bool, device=k.device)
    if visible_x is None:
        visible_x = torch.ones(1, 1, k.shape[5], dtype=torch.bool, device=k.device)
    mask = visible_y[:, None, None, :, None, :, None] & visible_x[None, :, None, None, :, None, :]
    if bias is not None:
        mask = bias.masked_fill(~mask, -torch.inf).to(q.dtype)
    mask = mask.flatten(5).flatten(3, 4)
    if mask.shape[:2] == (1, 1):
        return mask[0]
    return mask.expand(*q.shape[:3], *mask.shape[2:]).flatten(0, 2)
