"""One axis of an image, cut into tiles of queries and the spans of keys that they attend to."""

from typing import Literal

import torch

TILE = 4, 8  # largest height and width of a tile

Border = Literal["shift", "mask"]


class TiledAxis:
    """Tiles of queries and spans of keys along one axis.

    Args:
        length: pixels of the axis.
        tile: queries of a tile.
        kernel: keys of a query.
        border: `shift` or `mask`, see `tiled_attention`.
        bias_size: rows S of the bias table, with no displacement in the middle.
        device: where the tensors lie.
        step: distance in pixels between the queries of a tile; tiles of the first offset come
            first.

    Attributes:
        queries: pixel of each query, (tiles, tile).
        keys: pixel of each key, (tiles, span).
        bias_index: row of the bias table for each query and key, (tiles, tile, span); S where the
            key is not visible.
        position: index of each pixel among the queries, (length,).
    """

    def __init__(
        self,
        length: int,
        tile: int,
        kernel: int,
        border: Border,
        bias_size: int,
        device: torch.device,
        step: int = 1,
    ) -> None:
        self.length, self.tile, self.kernel = length, tile, kernel
        most = (length + step - 1) // step
        per_offset = (most + tile - 1) // tile
        self.tiles = step * per_offset
        self.span = min(most, tile + kernel - 1)
        number = torch.arange(self.tiles, device=device)
        offset, first = (number // per_offset)[:, None], (number % per_offset)[:, None] * tile
        count = ((length - offset + step - 1) // step).clamp(min=1)  # no query without a key
        query = first + torch.arange(tile, device=device)
        query = query.minimum(count - 1)
        start = (first - kernel // 2).clamp(0, most - self.span)
        key = start + torch.arange(self.span, device=device)
        self.queries, self.keys = ((offset + step * t).clamp(max=length - 1) for t in (query, key))
        low = query - kernel // 2
        if border == "shift":
            low = low.minimum(count - kernel).clamp(min=0)
        offset_in_kernel = key[:, None] - low[:, :, None]
        visible = (offset_in_kernel >= 0) & (offset_in_kernel < kernel) & (key < count)[:, None]
        displacement = key[:, None] - query[:, :, None] + bias_size // 2
        self.bias_index = displacement.masked_fill(~visible, bias_size)
        pixel = torch.arange(length, device=device)
        self.position = pixel % step * (per_offset * tile) + pixel // step

    def starts(self) -> list[int]:
        """Return the first key of each tile, with a step of 1; spans stay within the image."""
        firsts = range(0, self.length, self.tile)
        return [min(max(t - self.kernel // 2, 0), self.length - self.span) for t in firsts]
