"""Attention of every pixel to the pixels around it, by tiles of queries that share their keys."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 6  # largest side of a tile
LOGITS = 2**19  # of one step: more would leave the cache of a core

Border = Literal["shift", "mask"]


def by_tiles(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Attend to the pixels around each: (B, H, W, 3, N, D) to (B, H, W, N, D).

    Args:
        qkv: queries, keys and values.
        bias: added to the logits, by displacement of the key: (N, S, S), the middle for none.
        kernel: height and width of a neighbourhood.
        border: `shift` moves a neighbourhood inward, which must not be larger than the image;
            `mask` hides what of it is outside.
    """
    if torch.compiler.is_compiling():
        return _at_once(qkv, bias.to(qkv.dtype), kernel, border)
    return _ByRows.apply(qkv.contiguous(), bias, kernel, border)


class _Axis:
    """How one axis of an image is cut into tiles of queries and the spans of their keys.

    `bias` gives for each query and key of a tile its place in the table: (tiles, tile, span).
    """

    def __init__(self, length: int, tile: int, kernel: int, border: Border, bias: Tensor) -> None:
        self.length, self.tile, self.kernel = length, tile, kernel
        self.tiles = (length + tile - 1) // tile
        self.span = min(length, tile + kernel - 1)
        first = torch.arange(self.tiles, device=bias.device) * tile
        self.start = (first - kernel // 2).clamp(0, length - self.span)
        self.queries = (first[:, None] + torch.arange(tile, device=bias.device)).clamp(
            max=length - 1
        )
        self.keys = self.start[:, None] + torch.arange(self.span, device=bias.device)
        low = self.queries - kernel // 2
        if border == "shift":
            low = low.clamp(0, length - kernel)
        number = self.keys[:, None] - low[:, :, None]
        side = bias.shape[1]
        place = self.keys[:, None] - self.queries[:, :, None] + side // 2
        # A row and column beyond the table stand for a key that is not seen.
        self.bias = place.masked_fill((number < 0) | (number >= kernel), side)

    def starts(self) -> list[int]:
        """Where spans begin: they stay within the image."""
        firsts = range(0, self.length, self.tile)
        return [min(max(t - self.kernel // 2, 0), self.length - self.span) for t in firsts]


def _at_once(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Attend in one step, which a compiler can trace with height and width left open."""
    B, H, W, _, N, D = qkv.shape
    y = _Axis(H, min(TILE, H), kernel[0], border, bias)
    x = _Axis(W, min(TILE, W), kernel[1], border, bias)
    mask = F.pad(bias, (0, 1, 0, 1), value=-torch.inf)[:, y.bias][..., x.bias]
    q = qkv[:, :, :, 0][:, y.queries][:, :, :, x.queries].permute(0, 1, 3, 5, 2, 4, 6)
    kv = qkv[:, :, :, 1:][:, y.keys][:, :, :, x.keys].permute(5, 0, 1, 3, 6, 2, 4, 7)
    out = F.scaled_dot_product_attention(
        q.reshape(B, y.tiles * x.tiles * N, y.tile * x.tile, D),
        *kv.reshape(2, B, y.tiles * x.tiles * N, y.span * x.span, D),
        attn_mask=mask.permute(1, 4, 0, 2, 5, 3, 6).reshape(
            1, y.tiles * x.tiles * N, y.tile * x.tile, y.span * x.span
        ),
    )
    out = out.view(B, y.tiles, x.tiles, N, y.tile, x.tile, D).permute(0, 1, 4, 2, 5, 3, 6)
    out = out.reshape(B, y.tiles * y.tile, x.tiles * x.tile, N, D)
    # Cropped by copies: the exporter would hold every later size to the strides of this one.
    return out[:, torch.arange(H, device=out.device)][:, :, torch.arange(W, device=out.device)]


class _ByRows(torch.autograd.Function):
    """Attention a row of tiles at a time; the backward pass computes the weights anew.

    Autograd would keep the weights of all tiles, and most of those belong to no neighbour.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border
    ) -> Tensor:
        """Attend: (B, H, W, 3, N, D) to (B, H, W, N, D)."""
        ctx.save_for_backward(qkv, bias)
        ctx.rest = kernel, border
        out = torch.empty_like(qkv[:, :, :, 0])
        rows = _Rows(qkv.shape, bias.to(qkv.dtype), kernel, border)
        for here, keys, kind in rows:
            q, (k, v) = rows.queries(qkv[here][:, :, :, 0]), rows.keys(qkv[keys])
            mask = rows.mask(kind)[None]
            out[here] = rows.pixels(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of qkv and bias."""
        qkv, bias = ctx.saved_tensors
        exact = torch.promote_types(qkv.dtype, torch.float32)
        d_qkv = torch.zeros_like(qkv, dtype=exact)
        rows = _Rows(qkv.shape, bias.to(exact), *ctx.rest)
        scale = qkv.shape[-1] ** -0.5
        d_masks: dict[int, Tensor] = {}
        for here, keys, kind in rows:
            q = rows.queries(qkv[here][:, :, :, 0]).to(exact) * scale
            k, v = rows.keys(qkv[keys]).to(exact)
            d_tile = rows.queries(d_out[here]).to(exact)
            weight = (q @ k.mT).add_(rows.mask(kind)).softmax(-1)
            d_v = weight.mT @ d_tile
            d_logits = torch._softmax_backward_data(d_tile @ v.mT, weight, -1, exact)
            d_mask = d_logits.sum(0)
            d_masks[kind] = d_masks[kind].add_(d_mask) if kind in d_masks else d_mask
            d_qkv[here][:, :, :, 0] = rows.pixels(d_logits @ k * scale)
            rows.add_keys(d_qkv[keys], d_logits.mT @ q, d_v)
        return d_qkv.to(qkv.dtype), rows.d_bias(d_masks).to(bias.dtype), None, None


class _Rows:
    """The rows of tiles, and the way between pixels and tiles.

    Iteration gives, for some images at a time, where the queries and the keys of a row are and
    the row's kind: rows away from the border are of one kind.
    """

    def __init__(
        self, shape: torch.Size, bias: Tensor, kernel: tuple[int, int], border: Border
    ) -> None:
        self.images, H, W, _, self.heads, _ = shape
        tiles = [-(-length // TILE) for length in (H, W)]
        y_tile, x_tile = (-(-length // n) for length, n in zip((H, W), tiles, strict=True))
        self.y = y = _Axis(H, y_tile, kernel[0], border, bias)
        self.x = x = _Axis(W, x_tile, kernel[1], border, bias)
        self.starts = x.starts()
        logits = self.heads * x.tiles * x.tile * x.span * y.tile * y.span
        self.step = max(1, LOGITS // logits) if bias.device.type == "cpu" else self.images
        self.columns = x.bias.flatten()
        table = F.pad(bias, (0, 1, 0, 1), value=-torch.inf).index_select(2, self.columns)
        self.table = table.unflatten(2, (-1, x.span)).transpose(1, 2).contiguous()
        self.masks: dict[int, tuple[Tensor, Tensor]] = {}

    def __iter__(self) -> Iterator[tuple[tuple, tuple, int]]:
        y, x = self.y, self.x
        for image in range(0, self.images, self.step):
            images = slice(image, image + self.step)
            for t, start in enumerate(y.starts()):
                inside = start == t * y.tile - y.kernel // 2 and start + y.span < y.length
                kind = -1 if inside else t
                if kind not in self.masks:
                    places = y.bias[t, : y.length - t * y.tile].flatten()
                    mask = self.table.index_select(2, places)
                    mask = mask.view(self.heads * x.tiles, -1, y.span * x.span)
                    self.masks[kind] = places, mask
                here = images, slice(t * y.tile, (t + 1) * y.tile)
                yield here, (images, slice(start, start + y.span)), kind

    def mask(self, kind: int) -> Tensor:
        """Give the logits' bias of one kind of row: (N * tiles, queries, keys)."""
        return self.masks[kind][1]

    def queries(self, row: Tensor) -> Tensor:
        """Make tiles, column by column, of pixels: (B, tile, W, N, D) to (B, N * tiles, T, D)."""
        row = F.pad(row, (0, 0, 0, 0, 0, self.x.tiles * self.x.tile - self.x.length))
        return row.permute(0, 3, 2, 1, 4).reshape(
            len(row), self.heads * self.x.tiles, -1, row.shape[-1]
        )

    def pixels(self, tiles: Tensor) -> Tensor:
        """Undo `queries`."""
        B, _, _, D = tiles.shape
        row = tiles.view(B, self.heads, self.x.tiles * self.x.tile, -1, D).permute(0, 3, 2, 1, 4)
        return row[:, :, : self.x.length]

    def keys(self, row: Tensor) -> Tensor:
        """Copy the spans of keys and values: (B, span, W, 3, N, D) to (2, B, N * tiles, T, D)."""
        row = row[:, :, :, 1:].permute(3, 0, 4, 1, 2, 5)
        spans = torch.stack([row[..., s : s + self.x.span, :] for s in self.starts], 3)
        return spans.flatten(2, 3).flatten(3, 4)

    def add_keys(self, row: Tensor, d_keys: Tensor, d_values: Tensor) -> None:
        """Add the gradients of spans to those of the pixels they were copied from."""
        for i, d in ((1, d_keys), (2, d_values)):
            d = d.unflatten(1, (self.heads, -1)).unflatten(3, (self.y.span, self.x.span))
            for start, part in zip(self.starts, d.permute(2, 0, 3, 4, 1, 5), strict=True):
                row[:, :, start : start + self.x.span, i] += part

    def d_bias(self, d_masks: dict[int, Tensor]) -> Tensor:
        """Sum the gradients of masks by displacement: matrices of zeros and ones do it."""
        N, _, S, span = self.table.shape
        total = torch.zeros_like(self.table)
        for kind, d_mask in d_masks.items():
            places = F.one_hot(self.masks[kind][0], S).to(d_mask.dtype)
            total += places.mT @ d_mask.view(N, -1, len(places), span)
        total = total.transpose(1, 2).flatten(2) @ F.one_hot(self.columns, S).to(total.dtype)
        return total[:, :-1, :-1]
