"""Neighbourhood attention: each pixel attends to the k x k pixels around it."""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.facts import Facts, Neighbors

TILE = 8  # side of a square of queries that share their keys


class NeighborhoodAttention(nn.Module):
    """Neighbourhood attention (Hassani et al. 2023, arXiv 2204.07143), dilated (arXiv 2209.15001).

    At a border the neighbourhood moves inward and keeps k x k real pixels. Computed by tiles: a
    square of queries meets all keys that any of them sees under a mask; nothing is unfolded.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        index: place of the block in its level; picks the dilation.
        kernel_size: odd side k of the neighbourhood; shrinks where an axis holds fewer pixels.
        dilation: distance between neighbours in pixels; a list alternates from block to block.
        qkv_bias: whether the query, key and value projection has a bias.

    Raises:
        ValueError: for an even kernel_size.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        index: int,
        *,
        kernel_size: int = 7,
        dilation: int | list[int] = 1,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no middle: choose an odd number")
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.dilation = dilation if isinstance(dilation, int) else dilation[index % len(dilation)]
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=qkv_bias)
        self.proj = nn.Conv2d(dim, dim, 1)
        side = 2 * kernel_size - 1
        self.position_bias = nn.Parameter(torch.empty(num_heads, side, side))
        nn.init.trunc_normal_(self.position_bias, std=0.02)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        reach = Neighbors(self.kernel_size, self.dilation)
        return Facts(family="local", cost="N", reach=reach, step=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        qkv = self.qkv(x).permute(0, 2, 3, 1)
        B, H, W, _ = qkv.shape
        step = self.dilation
        kernel = [max(1, min(self.kernel_size, length // step)) for length in (H, W)]
        if step == 1:
            out = self._attend(qkv, kernel)
        else:
            # Pixels step apart form an image of their own; at most two lengths per axis.
            out = qkv.new_empty(B, H, W, x.shape[1])
            for rows, columns in product(_groups(H, step), _groups(W, step)):
                group = torch.cat([qkv[:, r::step, c::step] for r in rows for c in columns])
                parts = iter(self._attend(group, kernel).split(B))
                for r, c in product(rows, columns):
                    out[:, r::step, c::step] = next(parts)
        return self.proj(out.permute(0, 3, 1, 2))

    def _attend(self, qkv: Tensor, kernel: list[int]) -> Tensor:
        """Undilated attention of (B, H, W, 3C), kernel (height, width): (B, H, W, C)."""
        B, H, W, C = qkv.shape
        N, C = self.num_heads, C // 3
        y, x = (_Axis(length, k, qkv.device) for length, k in zip((H, W), kernel, strict=True))
        q = F.pad(qkv[..., :C], (0, 0, 0, x.queries - W, 0, y.queries - H))
        q = q.view(B, y.tiles, y.tile, x.tiles, x.tile, N, C // N).permute(0, 1, 3, 5, 2, 4, 6)
        kv = F.pad(qkv[..., C:], (0, 0, x.before, x.after, y.before, y.after))
        kv = kv.unfold(1, y.span, y.tile).unfold(2, x.span, x.tile)
        kv = kv.unflatten(3, (2, N, C // N)).permute(3, 0, 1, 2, 4, 6, 7, 5)
        bias = self.position_bias[:, y.displacement + self.kernel_size - 1]
        bias = bias[..., x.displacement + self.kernel_size - 1].permute(0, 1, 3, 2, 4)

        # Split, not sliced: the gradient of a slice is a whole tensor of zeros.
        rows = []
        for q_y, kv_y, sees_y in zip(q.split(y.runs, 1), kv.split(y.runs, 2), y.sees, strict=True):
            row = []
            parts = zip(q_y.split(x.runs, 2), kv_y.split(x.runs, 3), x.sees, strict=True)
            for queries, (keys, values), sees_x in parts:
                tiles = queries.shape[:3]
                sees = sees_y[:, None, :, None, :, None] & sees_x[None, :, None, :, None, :]
                mask = bias.masked_fill(~sees[:, :, None], -torch.inf).flatten(5).flatten(3, 4)
                if mask.shape[:2] != (1, 1):
                    mask = mask.expand(*tiles, *mask.shape[2:])
                out = F.scaled_dot_product_attention(
                    *(t.flatten(4, 5).flatten(0, 2) for t in (queries, keys, values)),
                    attn_mask=mask.flatten(0, -4).to(q.dtype),
                )
                row.append(out.view(*tiles, N, y.tile, x.tile, C // N))
            rows.append(torch.cat(row, dim=2))
        out = torch.cat(rows, dim=1).permute(0, 1, 4, 2, 5, 3, 6)
        return out.reshape(B, y.queries, x.queries, C)[:, :H, :W]


class _Axis:
    """How one axis of an image is cut into tiles of queries and the spans of their keys.

    `sees` tells for each run of tiles who sees whom: (tiles, tile, span), or (1, tile, span).
    """

    def __init__(self, length: int, kernel: int, device: torch.device) -> None:
        self.tile = tile = min(TILE, length)
        self.tiles = -(-length // tile)
        self.queries = self.tiles * tile
        # The last tile may hold few real queries, the first may be narrower than the kernel:
        # neighbourhoods that moved inward still have to lie within the span.
        self.before = max(kernel // 2, kernel - (length - self.queries + tile))
        after = max(kernel - 1 - kernel // 2, kernel - tile)
        self.span = self.before + tile + after
        self.after = self.queries - length + after

        within = torch.arange(tile, device=device)
        key = torch.arange(self.span, device=device) - self.before
        self.displacement = (key - within[:, None]).clamp(1 - kernel, kernel - 1)
        first = torch.arange(self.tiles, device=device)[:, None, None] * tile
        start = (first + within[:, None] - kernel // 2).clamp(0, length - kernel)
        sees = (first + key >= start) & (first + key < start + kernel)
        # Runs of tiles: at the low border, inside (where all see alike), at the high border.
        low = min(-(-(kernel // 2) // tile), self.tiles)
        high = max(low, (length - (kernel - 1 - kernel // 2)) // tile)
        parts = [sees[:low], sees[low:high], sees[high:]]
        self.runs = [len(part) for part in parts if len(part)]
        parts[1] = parts[1][:1]
        self.sees = [part for part in parts if len(part)]


def _groups(length: int, step: int) -> list[list[int]]:
    """Offsets below step and length, by how many pixels of the axis lie at them."""
    longer = length % step
    groups = [list(range(longer)), list(range(longer, step)) if length >= step else []]
    return [group for group in groups if group]
