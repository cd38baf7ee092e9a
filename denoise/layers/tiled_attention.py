"""Local attention by tiles of queries that share their keys."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from denoise.layers.tiled_axis import TILE, Border, TiledAxis

LOGITS = 2**19  # computed at once: more would not fit in the cache of a core
KEYS = 2**20  # numbers in the keys and values of a band: copies of more cost memory


def tiled_attention(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Attend to the pixels around each: (B, H, W, 3, N, D) to (B, H, W, N, D).

    Args:
        qkv: queries, keys and values.
        bias: added to the logits, by displacement of the key: (N, S, S), no displacement in
            the middle.
        kernel: height and width of a neighbourhood.
        border: `shift` moves a neighbourhood inward, which must not be larger than the image;
            `mask` hides keys outside the image.
    """
    return _BandedAttention.apply(qkv.contiguous(), bias, kernel, border)


class TileRow(NamedTuple):
    """A row of tiles: its rows among those of the band's strips, and its mask."""

    query_slice: slice
    key_slice: slice
    mask_id: int


class Band(NamedTuple):
    """Rows of tiles of some images that are computed together.

    `query_slice` and `key_slice` are rows of pixels of the image.
    """

    images: slice
    query_slice: slice
    key_slice: slice
    tile_rows: list[TileRow]


class _BandedAttention(torch.autograd.Function):
    """Attention band by band; the backward pass recomputes the weights.

    Autograd would keep the weights of all tiles, most of which belong to masked keys; recomputed by
    `torch.utils.checkpoint` it is slower, see LOG.md.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border
    ) -> Tensor:
        """Attend: (B, H, W, 3, N, D) to (B, H, W, N, D)."""
        ctx.save_for_backward(qkv, bias)
        ctx.options = kernel, border
        out = torch.empty_like(qkv[:, :, :, 0])
        strips = Strips(qkv.shape, bias.to(qkv.dtype), kernel, border)
        for band in strips.bands():
            q = strips.queries(qkv[band.images, band.query_slice][:, :, :, 0])
            k, v = strips.keys(qkv[band.images, band.key_slice])
            mixed = torch.empty_like(q)
            for row in band.tile_rows:
                tile = F.scaled_dot_product_attention(
                    _tiles(q, row.query_slice),
                    _tiles(k, row.key_slice),
                    _tiles(v, row.key_slice),
                    attn_mask=strips.mask(row.mask_id)[None],
                )
                _tiles(mixed, row.query_slice).copy_(tile)
            out[band.images, band.query_slice] = strips.pixels(mixed)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of qkv and bias."""
        qkv, bias = ctx.saved_tensors
        wide = torch.promote_types(qkv.dtype, torch.float32)
        d_qkv = torch.zeros_like(qkv, dtype=wide)
        strips = Strips(qkv.shape, bias.to(wide), *ctx.options)
        scale = qkv.shape[-1] ** -0.5
        d_masks: dict[int, Tensor] = {}
        for band in strips.bands():
            images, query_slice, key_slice, tile_rows = band
            q = strips.queries(qkv[images, query_slice][:, :, :, 0]).to(wide) * scale
            k, v = strips.keys(qkv[images, key_slice]).to(wide)
            d_mixed = strips.queries(d_out[images, query_slice]).to(wide)
            d_q, d_k, d_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
            for queries, keys, mask_id in tile_rows:
                query, key, value = _tiles(q, queries), _tiles(k, keys), _tiles(v, keys)
                d_tile = _tiles(d_mixed, queries)
                weight = (query @ key.mT).add_(strips.mask(mask_id)).softmax(-1)
                _tiles(d_v, keys).add_(weight.mT @ d_tile)
                d_logits = (d_tile @ value.mT).mul_(weight)
                d_logits.addcmul_(weight, d_logits.sum(-1, keepdim=True), value=-1)  # of softmax
                d_mask = d_logits.sum(0) if len(q) > 1 else d_logits[0]
                d_masks[mask_id] = d_masks[mask_id].add_(d_mask) if mask_id in d_masks else d_mask
                _tiles(d_q, queries).copy_(d_logits @ key)
                _tiles(d_k, keys).add_(d_logits.mT @ query)
            d_qkv[images, query_slice][:, :, :, 0] = strips.pixels(d_q.mul_(scale))
            strips.add_keys(d_qkv[images, key_slice], d_k, d_v)
        return d_qkv.to(qkv.dtype), strips.d_bias(d_masks).to(bias.dtype), None, None


def _tile_size(length: int, tile: int, kernel: int) -> int:
    """Return the size of equal tiles, up to `tile`; one tile where all would share their keys."""
    count = 1 if length <= kernel else -(-length // tile)
    return -(-length // count)


def _tiles(strips: Tensor, rows: slice) -> Tensor:
    """View rows of strips as tiles: (B, strips, h, width, D) to (B, strips, T, D)."""
    tiles = strips[:, :, rows]
    return tiles.view(*tiles.shape[:2], -1, tiles.shape[-1])


class Strips:
    """Images cut into strips, one per column of tiles; copies pixels to strips and back.

    In a strip the rows of pixels follow one another, so that the queries of a tile, and its keys,
    are views.
    """

    def __init__(
        self, shape: torch.Size, bias: Tensor, kernel: tuple[int, int], border: Border
    ) -> None:
        self.images, H, W, _, self.heads, width = shape
        y, x = (
            TiledAxis(length, _tile_size(length, tile, k), k, border, bias.shape[1], bias.device)
            for length, tile, k in zip((H, W), TILE, kernel, strict=True)
        )
        self.y, self.x, self.starts = y, x, x.starts()
        self.images_at_once, self.rows_at_once = self.images, y.tiles
        if bias.device.type == "cpu":
            keys = self.heads * x.tiles * x.span  # of a row of pixels
            row = 2 * width * keys * y.tile  # numbers to copy for a row of tiles
            most = min(LOGITS // (keys * x.tile * y.tile * y.span), KEYS // (row * y.tiles))
            # Bands share keys: with fewer rows, most keys would be copied twice.
            self.images_at_once, self.rows_at_once = max(1, most), max(4, KEYS // row)
        self.columns = x.bias_index.flatten()
        table = F.pad(bias, (0, 1, 0, 1), value=-torch.inf).index_select(2, self.columns)
        self.table = table.unflatten(2, (-1, x.span)).transpose(1, 2).contiguous()
        self.masks: dict[int, tuple[Tensor, Tensor]] = {}

    def bands(self) -> Iterator[Band]:
        """Yield the bands, image by image and from top to bottom."""
        y, starts = self.y, self.y.starts()
        for image in range(0, self.images, self.images_at_once):
            for first in range(0, y.tiles, self.rows_at_once):
                numbers = range(first, min(first + self.rows_at_once, y.tiles))
                top, low = first * y.tile, starts[first]
                yield Band(
                    slice(image, image + self.images_at_once),
                    slice(top, (numbers[-1] + 1) * y.tile),
                    slice(low, starts[numbers[-1]] + y.span),
                    [
                        TileRow(
                            slice(t * y.tile - top, (t + 1) * y.tile - top),
                            slice(starts[t] - low, starts[t] - low + y.span),
                            self._mask_id(t, starts[t]),
                        )
                        for t in numbers
                    ],
                )

    def _mask_id(self, t: int, start: int) -> int:
        """Return the id of the mask of a row of tiles, and build it once; inner rows share one."""
        y = self.y
        inside = start == t * y.tile - y.kernel // 2 and start + y.span < y.length
        mask_id = -1 if inside else t
        if mask_id not in self.masks:
            rows = y.bias_index[t, : y.length - t * y.tile].flatten()
            mask = self.table.index_select(2, rows)
            mask = mask.view(self.heads * self.x.tiles, self.x.tile, -1, y.span * self.x.span)
            self.masks[mask_id] = rows, mask.transpose(1, 2).flatten(1, 2)
        return mask_id

    def mask(self, mask_id: int) -> Tensor:
        """Return the bias of the logits of a row of tiles: (N * tiles, queries, keys)."""
        return self.masks[mask_id][1]

    def queries(self, pixels: Tensor) -> Tensor:
        """Copy pixels to strips: (B, h, W, N, D) to (B, N * tiles, h, tile, D)."""
        x = self.x
        pixels = F.pad(pixels, (0, 0, 0, 0, 0, x.tiles * x.tile - x.length))
        strips = pixels.unflatten(2, (x.tiles, x.tile)).permute(0, 4, 2, 1, 3, 5)
        return strips.flatten(1, 2).contiguous()

    def pixels(self, strips: Tensor) -> Tensor:
        """Undo `queries`."""
        strips = strips.unflatten(1, (self.heads, -1)).permute(0, 3, 2, 4, 1, 5)
        return strips.flatten(2, 3)[:, :, : self.x.length]

    def keys(self, pixels: Tensor) -> Tensor:
        """Copy keys and values to strips: (B, h, W, 3, N, D) to (2, B, N * tiles, h, span, D)."""
        pixels = pixels[:, :, :, 1:].permute(3, 0, 4, 1, 2, 5)
        spans = [pixels[..., s : s + self.x.span, :] for s in self.starts]
        return torch.stack(spans, 3).flatten(2, 3)

    def add_keys(self, pixels: Tensor, d_keys: Tensor, d_values: Tensor) -> None:
        """Add the gradients of strips to those of the pixels that they were copied from."""
        for i, strips in ((1, d_keys), (2, d_values)):
            d_pixels = pixels[:, :, :, i].permute(0, 3, 1, 2, 4)
            spans = strips.unflatten(1, (self.heads, -1)).unbind(2)
            for start, span in zip(self.starts, spans, strict=True):
                d_pixels[..., start : start + self.x.span, :] += span

    def d_bias(self, d_masks: dict[int, Tensor]) -> Tensor:
        """Sum the gradients of masks by displacement, by matrices of zeros and ones."""
        N, _, S, span = self.table.shape
        total = torch.zeros_like(self.table)
        for mask_id, d_mask in d_masks.items():
            rows = F.one_hot(self.masks[mask_id][0], S).to(d_mask.dtype)
            d_mask = d_mask.unflatten(1, (-1, self.x.tile)).transpose(1, 2)
            total += rows.mT @ d_mask.reshape(N, -1, len(rows), span)
        total = total.transpose(1, 2).flatten(2) @ F.one_hot(self.columns, S).to(total.dtype)
        return total[:, :-1, :-1]
