"""Attention of every pixel to the pixels around it, by tiles of queries that share their keys."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 4, 8  # largest height and width of a tile
LOGITS = 2**19  # of one step: more would leave the cache of a core
KEYS = 2**20  # numbers in the keys and values of a band: copies of more cost memory

Border = Literal["shift", "mask"]


def tiled_attention(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Attend to the pixels around each: (B, H, W, 3, N, D) to (B, H, W, N, D).

    Args:
        qkv: queries, keys and values.
        bias: added to the logits, by displacement of the key: (N, S, S), the middle for none.
        kernel: height and width of a neighbourhood.
        border: `shift` moves a neighbourhood inward, which must not be larger than the image;
            `mask` hides what of it is outside.
    """
    return _ByRows.apply(qkv.contiguous(), bias, kernel, border)


class _Axis:
    """How one axis of an image is cut into tiles of queries and the spans of their keys.

    A tile holds pixels `step` apart, those of the first offset come first. `queries` (tiles, tile)
    and `keys` (tiles, span) are pixels of the axis; `bias` gives for each query and key of a tile
    its place in the table: (tiles, tile, span).
    """

    def __init__(
        self, length: int, tile: int, kernel: int, border: Border, bias: Tensor, step: int = 1
    ) -> None:
        self.length, self.tile, self.kernel = length, tile, kernel
        most = (length + step - 1) // step
        per_offset = (most + tile - 1) // tile
        self.tiles = step * per_offset
        self.span = min(most, tile + kernel - 1)
        number = torch.arange(self.tiles, device=bias.device)
        offset, first = (number // per_offset)[:, None], (number % per_offset)[:, None] * tile
        count = ((length - offset + step - 1) // step).clamp(min=1)  # no query without a key
        query = first + torch.arange(tile, device=bias.device)
        query = query.minimum(count - 1)
        start = (first - kernel // 2).clamp(0, most - self.span)
        key = start + torch.arange(self.span, device=bias.device)
        self.queries, self.keys = ((offset + step * t).clamp(max=length - 1) for t in (query, key))
        low = query - kernel // 2
        if border == "shift":
            low = low.minimum(count - kernel).clamp(min=0)
        visible = key[:, None] - low[:, :, None]
        visible = (visible >= 0) & (visible < kernel) & (key < count)[:, None]
        side = bias.shape[1]
        place = key[:, None] - query[:, :, None] + side // 2
        # A row and column beyond the table stand for a key that is not seen.
        self.bias = place.masked_fill(~visible, side)
        pixel = torch.arange(length, device=bias.device)
        self.places = pixel % step * (per_offset * tile) + pixel // step

    def starts(self) -> list[int]:
        """Where spans begin: they stay within the image."""
        firsts = range(0, self.length, self.tile)
        return [min(max(t - self.kernel // 2, 0), self.length - self.span) for t in firsts]


def traceable_attention(
    qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border, step: int
) -> Tensor:
    """Attend in one step, which a compiler can trace with height and width left open.

    As `tiled_attention`, to pixels `step` apart.
    """
    B, H, W, _, N, D = qkv.shape
    y, x = (
        _Axis(length, min(tile, (length + step - 1) // step), k, border, bias, step)
        for length, tile, k in zip((H, W), TILE, kernel, strict=True)
    )
    table = F.pad(bias.to(qkv.dtype), (0, 1, 0, 1), value=-torch.inf)
    mask = table[:, y.bias][..., x.bias]
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
    # By copies: the exporter would hold every later size to the strides of this one.
    return out[:, y.places][:, :, x.places]


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
        strips = _Strips(qkv.shape, bias.to(qkv.dtype), kernel, border)
        for here, around, rows in strips:
            q, (k, v) = strips.queries(qkv[here][:, :, :, 0]), strips.keys(qkv[around])
            mixed = torch.empty_like(q)
            for queries, keys, kind in rows:
                tiles = _tiles(q, queries), _tiles(k, keys), _tiles(v, keys)
                mask = strips.mask(kind)[None]
                tile = F.scaled_dot_product_attention(*tiles, attn_mask=mask)
                _tiles(mixed, queries).copy_(tile)
            out[here] = strips.pixels(mixed)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of qkv and bias."""
        qkv, bias = ctx.saved_tensors
        exact = torch.promote_types(qkv.dtype, torch.float32)
        d_qkv = torch.zeros_like(qkv, dtype=exact)
        strips = _Strips(qkv.shape, bias.to(exact), *ctx.rest)
        scale = qkv.shape[-1] ** -0.5
        d_masks: dict[int, Tensor] = {}
        for here, around, rows in strips:
            q = strips.queries(qkv[here][:, :, :, 0]).to(exact) * scale
            k, v = strips.keys(qkv[around]).to(exact)
            d_mixed = strips.queries(d_out[here]).to(exact)
            d_q, d_k, d_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
            for queries, keys, kind in rows:
                one, other, value = _tiles(q, queries), _tiles(k, keys), _tiles(v, keys)
                d_tile = _tiles(d_mixed, queries)
                weight = (one @ other.mT).add_(strips.mask(kind)).softmax(-1)
                _tiles(d_v, keys).add_(weight.mT @ d_tile)
                d_logits = torch._softmax_backward_data(d_tile @ value.mT, weight, -1, exact)
                d_mask = d_logits.sum(0) if len(q) > 1 else d_logits[0]
                d_masks[kind] = d_masks[kind].add_(d_mask) if kind in d_masks else d_mask
                _tiles(d_q, queries).copy_(d_logits @ other)
                _tiles(d_k, keys).add_(d_logits.mT @ one)
            d_qkv[here][:, :, :, 0] = strips.pixels(d_q.mul_(scale))
            strips.add_keys(d_qkv[around], d_k, d_v)
        return d_qkv.to(qkv.dtype), strips.d_bias(d_masks).to(bias.dtype), None, None


def _even(length: int, tile: int, kernel: int) -> int:
    """Side of tiles alike, up to `tile`; one for all where more would share all keys."""
    count = 1 if length <= kernel else -(-length // tile)
    return -(-length // count)


def _tiles(strips: Tensor, rows: slice) -> Tensor:
    """See rows of strips as tiles: (B, strips, h, width, D) to (B, strips, T, D)."""
    rows = strips[:, :, rows]
    return rows.view(*rows.shape[:2], -1, rows.shape[-1])


class _Strips:
    """Images cut into strips, a column of tiles each, and the way between pixels and strips.

    In a strip the rows of pixels follow one another, so that those of a tile, and of the keys that
    it sees, are views. Iteration gives bands of some images: where their queries and their keys
    are, and for each row of tiles where in the strips its queries and keys are and its kind: rows
    away from the border are of one kind.
    """

    def __init__(
        self, shape: torch.Size, bias: Tensor, kernel: tuple[int, int], border: Border
    ) -> None:
        self.images, H, W, _, self.heads, width = shape
        self.y = y = _Axis(H, _even(H, TILE[0], kernel[0]), kernel[0], border, bias)
        self.x = x = _Axis(W, _even(W, TILE[1], kernel[1]), kernel[1], border, bias)
        self.starts = x.starts()
        self.images_at_once, self.rows_at_once = self.images, y.tiles
        if bias.device.type == "cpu":
            keys = self.heads * x.tiles * x.span  # of a row of pixels
            row = 2 * width * keys * y.tile  # numbers to copy for a row of tiles
            most = min(LOGITS // (keys * x.tile * y.tile * y.span), KEYS // (row * y.tiles))
            # Bands overlap: of fewer rows they would copy most keys twice.
            self.images_at_once, self.rows_at_once = max(1, most), max(4, KEYS // row)
        self.columns = x.bias.flatten()
        table = F.pad(bias, (0, 1, 0, 1), value=-torch.inf).index_select(2, self.columns)
        self.table = table.unflatten(2, (-1, x.span)).transpose(1, 2).contiguous()
        self.masks: dict[int, tuple[Tensor, Tensor]] = {}

    def __iter__(self) -> Iterator[tuple[tuple, tuple, list[tuple[slice, slice, int]]]]:
        y, starts = self.y, self.y.starts()
        for image in range(0, self.images, self.images_at_once):
            images = slice(image, image + self.images_at_once)
            for first in range(0, y.tiles, self.rows_at_once):
                numbers = range(first, min(first + self.rows_at_once, y.tiles))
                top, low = first * y.tile, starts[first]
                rows = []
                for t in numbers:
                    queries = slice(t * y.tile - top, (t + 1) * y.tile - top)
                    keys = slice(starts[t] - low, starts[t] - low + y.span)
                    rows.append((queries, keys, self._kind(t, starts[t])))
                here = images, slice(top, (numbers[-1] + 1) * y.tile)
                yield here, (images, slice(low, starts[numbers[-1]] + y.span)), rows

    def _kind(self, t: int, start: int) -> int:
        """Name the kind of a row of tiles, with its mask made."""
        y = self.y
        inside = start == t * y.tile - y.kernel // 2 and start + y.span < y.length
        kind = -1 if inside else t
        if kind not in self.masks:
            places = y.bias[t, : y.length - t * y.tile].flatten()
            mask = self.table.index_select(2, places)
            mask = mask.view(self.heads * self.x.tiles, self.x.tile, -1, y.span * self.x.span)
            self.masks[kind] = places, mask.transpose(1, 2).flatten(1, 2)
        return kind

    def mask(self, kind: int) -> Tensor:
        """Give the logits' bias of one kind of row: (N * tiles, queries, keys)."""
        return self.masks[kind][1]

    def queries(self, pixels: Tensor) -> Tensor:
        """Make strips of pixels: (B, h, W, N, D) to (B, N * tiles, h, tile, D)."""
        x = self.x
        pixels = F.pad(pixels, (0, 0, 0, 0, 0, x.tiles * x.tile - x.length))
        strips = pixels.unflatten(2, (x.tiles, x.tile)).permute(0, 4, 2, 1, 3, 5)
        return strips.flatten(1, 2).contiguous()

    def pixels(self, strips: Tensor) -> Tensor:
        """Undo `queries`."""
        strips = strips.unflatten(1, (self.heads, -1)).permute(0, 3, 2, 4, 1, 5)
        return strips.flatten(2, 3)[:, :, : self.x.length]

    def keys(self, pixels: Tensor) -> Tensor:
        """Copy keys and values: (B, h, W, 3, N, D) to (2, B, N * tiles, h, span, D)."""
        pixels = pixels[:, :, :, 1:].permute(3, 0, 4, 1, 2, 5)
        spans = [pixels[..., s : s + self.x.span, :] for s in self.starts]
        return torch.stack(spans, 3).flatten(2, 3)

    def add_keys(self, pixels: Tensor, d_keys: Tensor, d_values: Tensor) -> None:
        """Add the gradients of strips to those of the pixels they were copied from."""
        for i, strips in ((1, d_keys), (2, d_values)):
            d_pixels = pixels[:, :, :, i].permute(0, 3, 1, 2, 4)
            parts = strips.unflatten(1, (self.heads, -1)).unbind(2)
            for start, part in zip(self.starts, parts, strict=True):
                d_pixels[..., start : start + self.x.span, :] += part

    def d_bias(self, d_masks: dict[int, Tensor]) -> Tensor:
        """Sum the gradients of masks by displacement: matrices of zeros and ones do it."""
        N, _, S, span = self.table.shape
        total = torch.zeros_like(self.table)
        for kind, d_mask in d_masks.items():
            places = F.one_hot(self.masks[kind][0], S).to(d_mask.dtype)
            d_mask = d_mask.unflatten(1, (-1, self.x.tile)).transpose(1, 2)
            total += places.mT @ d_mask.reshape(N, -1, len(places), span)
        total = total.transpose(1, 2).flatten(2) @ F.one_hot(self.columns, S).to(total.dtype)
        return total[:, :-1, :-1]
