"""Restore an image tile by tile, exactly or blended, and measure whether the tiles show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.inference.tile_grid import (
    Box,
    Tile,
    TileConstraints,
    blend_weights,
    exact_tile_size,
    exact_tiles,
    overlapping_tiles,
    reflect_index,
)
from denoise.receptive_field import halo, interior_halo

Net = Callable[[Tensor, Tensor | None], Tensor]
Read = Callable[[int, int, int, int], Tensor]
TileResult = tuple[int, int, Tensor]


def tile_constraints(net: nn.Module | Net, smallest: int = 1) -> TileConstraints:
    """Return the constraints of a net on its tiles; without a receptive field no tile is exact.

    Args:
        net: a backbone with `size_multiple`, `alignment` and `receptive_field`, or any other.
        smallest: smallest image that it takes along an axis.
    """
    size_multiple = getattr(net, "size_multiple", 1)
    receptive_field = getattr(net, "receptive_field", None)
    min_size = smallest if receptive_field is None else max(smallest, receptive_field.min_size)
    return TileConstraints(
        size_multiple=size_multiple,
        alignment=getattr(net, "alignment", 1),
        halo=None if receptive_field is None else halo(receptive_field, size_multiple),
        min_size=min_size + -min_size % size_multiple,
        smallest=smallest,
    )


def exact_tiles_of(
    net: Any, height: int, width: int, tile_size: int, *, mirrored: bool = False
) -> list[Tile]:
    """Cut an image into tiles that give exactly the pixels of the whole.

    Args:
        net: see `tile_constraints`; a backbone names the layers that prevent it.
        height: of the image in pixels.
        width: of the image in pixels.
        tile_size: largest height or width of a tile's input in pixels.
        mirrored: see `exact_tiles`.

    Raises:
        ValueError: where no tile is exact, or this size is too small for it.
    """
    limits = tile_constraints(net)
    if tiles := exact_tiles(height, width, tile_size, limits, mirrored=mirrored):
        return tiles
    if limits.halo is None:
        names: list[str] = getattr(net, "global_layers", list)()
        cause = f" with {', '.join(names[:3])}" * bool(names)
        cause += f" and {len(names) - 3} more" * (len(names) > 3)
        raise ValueError(
            f"no tile gives the pixels of the whole {height}x{width} image{cause}: "
            "use more memory, or approximate by blended tiles"
        )
    widest = max(net.layers(), key=lambda layer: layer[1] * interior_halo(layer[2]))
    raise ValueError(
        f"tiles of {tile_size} px leave too little output: exact ones need {limits.halo} px on "
        f"each side, most of a layer for {widest[0]}: give {exact_tile_size(limits)} px, or "
        "approximate by blended tiles"
    )


def restore_tiled(
    net: Net, image: Tensor | Read, sigma: Tensor | None, tiles: Sequence[Tile]
) -> Iterator[TileResult]:
    """Restore an image tile by tile; tiles whose outputs overlap are blended.

    Args:
        net: maps (B, C, h, w) in [0, 1] and sigma to the restored tile.
        image: (B, C, H, W), or a function that reads (B, C, bottom - top, right - left) of it.
        sigma: (B,) in grey levels, passed to the net.
        tiles: of `exact_tiles` or `overlapping_tiles`.

    Returns:
        Regions of the restored image, (top, left, (B, C, h, w)), each pixel once.
    """
    size = image_size(tiles)
    run = partial(restore_tile, net, image, sigma, size)
    if sum((b - a) * (d - c) for (a, b, c, d), _ in tiles) > size[0] * size[1]:
        yield from _blend(run, tiles, size)
    else:
        for tile in tiles:
            yield tile.output.top, tile.output.left, run(tile)


def image_size(tiles: Sequence[Tile]) -> tuple[int, int]:
    """Return height and width of the image that tiles cover."""
    return max(tile.output.bottom for tile in tiles), max(tile.output.right for tile in tiles)


def restore_tile(
    net: Net, image: Tensor | Read, sigma: Tensor | None, size: tuple[int, int], tile: Tile
) -> Tensor:
    """Restore the output of one tile of an image of size (height, width), see `restore_tiled`."""
    (top, bottom, left, right), (y, _, x, _) = tile
    with torch.no_grad():
        restored = net(read(image, tile.input, size), sigma)
    return restored[..., top - y : bottom - y, left - x : right - x]


def read(image: Tensor | Read, box: Box, size: tuple[int, int]) -> Tensor:
    """Read a rectangle that may reach below and right of the image, padded as the net pads.

    Args:
        image: see `restore_tiled`.
        box: the rectangle.
        size: height and width of the image.
    """
    rows, columns = reflect_index(*box[:2], size[0]), reflect_index(*box[2:], size[1])
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    region = (
        image(top, bottom, left, right) if callable(image) else image[..., top:bottom, left:right]
    )
    for axis, index, beyond in (
        (-2, rows - top, box.bottom > size[0]),
        (-1, columns - left, box.right > size[1]),
    ):
        if beyond:
            region = region.index_select(axis, torch.from_numpy(index).to(region.device))
    return region


def _blend(
    run: Callable[[Tile], Tensor], tiles: Sequence[Tile], size: tuple[int, int]
) -> Iterator[TileResult]:
    """Blend one row of tiles after another; keep what the next row overlaps."""
    boxes = [tile.output for tile in tiles]
    rows = blend_weights(sorted({(box.top, box.bottom) for box in boxes}), size[0])
    columns = blend_weights(sorted({(box.left, box.right) for box in boxes}), size[1])
    ends = [*[top for top, _ in rows][1:], size[0]]
    kept: Tensor | None = None
    for ((top, bottom), down), end in zip(rows.items(), ends, strict=True):
        row = [tile for tile in tiles if tile.output[:2] == (top, bottom)]
        strip: Tensor | None = None
        for tile in row:
            left, right = tile.output[2:]
            region = run(tile)
            if strip is None:
                strip = region.new_zeros(*region.shape[:2], bottom - top, size[1])
                if kept is not None:
                    strip[:, :, : kept.shape[2]] = kept
            weight = torch.from_numpy(np.outer(down, columns[left, right]))
            strip[..., left:right] += region * weight.to(region)
        assert strip is not None
        yield top, 0, strip[:, :, : end - top]
        kept = strip[:, :, end - top :]


def measure_overlap(
    net: Net,
    image: Tensor | Read,
    sigma: Tensor | None,
    size: tuple[int, int],
    tile_size: int,
    limits: TileConstraints,
    *,
    tolerance: float = 0.1,
) -> tuple[int, float]:
    """Find how far tiles must overlap for neighbours to agree where they are blended.

    The overlap doubles from 16 pixels until the restored tiles agree, at most to half a tile. They
    are compared on the middle half of the most textured of a few overlaps of the image.

    Args:
        net: see `restore_tiled`.
        image: see `restore_tiled`.
        sigma: see `restore_tiled`.
        size: height and width of the image.
        tile_size: see `overlapping_tiles`.
        limits: see `overlapping_tiles`.
        tolerance: largest difference in grey levels.

    Returns:
        The overlap in pixels, and the largest difference found there in grey levels.
    """
    overlap = min(16, tile_size // 2)
    while True:
        tiles = overlapping_tiles(*size, tile_size, overlap, limits)
        columns = len({tile.output.left for tile in tiles})
        pairs = [p for p in pairwise(tiles) if p[0].output.top == p[1].output.top]
        pairs += zip(tiles, tiles[columns:], strict=False)
        if not pairs:
            return overlap, 0.0
        middles = [(pair, _middle(*pair)) for pair in pairs[:: -(-len(pairs) // 8)]]
        pair, box = max(middles, key=lambda item: _texture(read(image, item[1], size)))
        first, second = (
            restore_tile(net, image, sigma, size, Tile(box, tile.input)) for tile in pair
        )
        deviation = 255 * (first - second).abs().max().item()
        if 2 * overlap > tile_size // 2 or deviation < tolerance:
            return overlap, deviation
        overlap *= 2


def _middle(first: Tile, second: Tile) -> Box:
    """Return the middle half of the overlap of two neighbours, where both have weight."""
    a, b = first.output, second.output
    box = Box(b.top, a.bottom, b.left, a.right)
    if a.top == b.top:
        quarter = (box.right - box.left) // 4
        return box._replace(left=box.left + quarter, right=box.right - quarter)
    quarter = (box.bottom - box.top) // 4
    return box._replace(top=box.top + quarter, bottom=box.bottom - quarter)


def _texture(region: Tensor) -> float:
    """Return the standard deviation of (B, C, h, w) once its noise is averaged away."""
    return F.avg_pool2d(region.float(), 4, ceil_mode=True).std().item()


def seam_energy(image: Tensor, tiles: Sequence[Tile]) -> float:
    """Compare the steps between pixels at borders of tiles with those six lines away.

    1 means no seam. The mean square of the step across and of its neighbours counts, so that a line
    shows as well as a step.

    Args:
        image: restored, (B, C, H, W).
        tiles: the tiles that it was restored by.
    """
    at, beside = 0.0, 0.0
    for tile in tiles:
        top, bottom, left, right = tile.output
        for region, line in ((image[..., left:right], top), (image[..., top:bottom, :].mT, left)):
            if 8 <= line <= region.shape[-2] - 8:
                steps = region[..., line - 8 : line + 8, :].cpu().double().diff(dim=-2).square()
                steps = steps.sum(dim=(0, 1, 3))
                at += steps[[6, 7, 8]].mean().item()
                beside += steps[[0, 1, 13, 14]].mean().item()
    return at / beside if beside else 1.0


def join(results: Iterable[TileResult], out: Any) -> Any:
    """Write results of tiles into `out`, a tensor or array (B, C, H, W), and return it."""
    for top, left, tile_result in results:
        height, width = tile_result.shape[-2:]
        out[..., top : top + height, left : left + width] = tile_result
    return out
