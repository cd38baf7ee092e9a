"""Restoring an image tile by tile, and what tells whether the tiles show."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from denoise.inference.tile_grid import Box, Tile, plan_blended

Net = Callable[[Tensor, Tensor | None], Tensor]
Read = Callable[[int, int, int, int], Tensor]
Piece = tuple[int, int, Tensor]


def restore_tiled(
    net: Net, image: Tensor | Read, sigma: Tensor | None, tiles: Sequence[Tile]
) -> Iterator[Piece]:
    """Restore an image tile by tile; tiles whose outputs overlap are blended.

    Args:
        net: maps (B, C, h, w) in [0, 1] and sigma to the restored tile.
        image: (B, C, H, W), or a function that reads (B, C, bottom - top, right - left) of it.
        sigma: (B,) in grey levels, handed to the net.
        tiles: of `plan` or `plan_blended`.

    Returns:
        Pieces of the restored image, (top, left, (B, C, h, w)), each pixel once.
    """
    size = max(tile.output.bottom for tile in tiles), max(tile.output.right for tile in tiles)
    run = partial(restore_tile, net, image, sigma, size)
    if sum((b - a) * (d - c) for (a, b, c, d), _ in tiles) > math.prod(size):
        yield from _blend(run, tiles, size)
    else:
        for tile in tiles:
            yield tile.output.top, tile.output.left, run(tile)


def restore_tile(
    net: Net, image: Tensor | Read, sigma: Tensor | None, size: tuple[int, int], tile: Tile
) -> Tensor:
    """Restore the output of one tile of an image of size (height, width), see `restore_tiled`."""
    (top, bottom, left, right), (y, _, x, _) = tile
    with torch.no_grad():
        restored = net(read(image, tile.input, size), sigma)
    return restored[..., top - y : bottom - y, left - x : right - x]


def read(image: Tensor | Read, box: Box, size: tuple[int, int]) -> Tensor:
    """Read a rectangle of an image that may lie below and right of it, padded as the net pads.

    Args:
        image: see `restore_tiled`.
        box: what to read.
        size: height and width of the image.
    """
    places = []
    for first, end, length in ((*box[:2], size[0]), (*box[2:], size[1])):
        place = torch.arange(first, end)
        places.append((length - 1 - (length - 1 - place).abs()).clamp_min(0))
    (top, bottom), (left, right) = ((int(p.min()), int(p.max()) + 1) for p in places)
    part = (
        image(top, bottom, left, right) if callable(image) else image[..., top:bottom, left:right]
    )
    if box.bottom > size[0]:
        part = part.index_select(-2, (places[0] - top).to(part.device))
    if box.right > size[1]:
        part = part.index_select(-1, (places[1] - left).to(part.device))
    return part


def _blend(
    run: Callable[[Tile], Tensor], tiles: Sequence[Tile], size: tuple[int, int]
) -> Iterator[Piece]:
    """Blend band by band of tiles; what of a band the next may change is kept."""
    rows, columns = (
        _weights(sorted({tile.output[d : d + 2] for tile in tiles}), size[d // 2]) for d in (0, 2)
    )
    ends = [*[top for top, _ in rows][1:], size[0]]
    kept = None
    for ((top, bottom), down), end in zip(rows.items(), ends, strict=True):
        strip = None
        for tile in tiles:
            if tile.output[:2] == (top, bottom):
                left, right = tile.output[2:]
                part = run(tile)
                if strip is None:
                    strip = part.new_zeros(*part.shape[:2], bottom - top, size[1])
                    if kept is not None:
                        strip[:, :, : kept.shape[2]] = kept
                weight = down[:, None] * columns[left, right]
                strip[..., left:right] += part * weight.to(part)
        yield top, 0, strip[:, :, : end - top]
        kept = strip[:, :, end - top :]


def _weights(spans: Sequence[tuple[int, int]], length: int) -> dict[tuple[int, int], Tensor]:
    """Raised cosines that fall where neighbours overlap; at every pixel they sum to 1."""
    weights = {span: torch.ones(span[1] - span[0], dtype=torch.float64) for span in spans}
    for left, right in pairwise(spans):
        shared = max(0, left[1] - right[0])
        place = torch.arange(shared, dtype=torch.float64) + 0.5
        rise = (math.pi / 2 * place / max(1, shared)).sin().square()
        weights[left][len(weights[left]) - shared :] *= rise.flip(0)
        weights[right][:shared] *= rise
    total = torch.zeros(length, dtype=torch.float64)
    for (first, end), weight in weights.items():
        total[first:end] += weight
    return {(first, end): w / total[first:end] for (first, end), w in weights.items()}


def measure_overlap(
    net: Net,
    image: Tensor | Read,
    sigma: Tensor | None,
    size: tuple[int, int],
    side: int,
    size_multiple: int,
    alignment: int,
    *,
    tolerance: float = 0.1,
) -> tuple[int, float]:
    """Find how far tiles must overlap for neighbours to agree where they are blended.

    The overlap doubles from 16 pixels until the restored tiles agree, at most to half a tile. What
    is compared is the middle half of the most textured of a few overlaps of the image.

    Args:
        net: see `restore_tiled`.
        image: see `restore_tiled`.
        sigma: see `restore_tiled`.
        size: height and width of the image.
        side: see `plan_blended`.
        size_multiple: see `plan_blended`.
        alignment: see `plan_blended`.
        tolerance: largest difference in grey levels.

    Returns:
        The overlap in pixels, and the largest difference found there in grey levels.
    """
    overlap = min(16, side // 2)
    while True:
        tiles = plan_blended(*size, side, overlap, size_multiple, alignment)
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
        if 2 * overlap > side // 2 or deviation < tolerance:
            return overlap, deviation
        overlap *= 2


def _middle(first: Tile, second: Tile) -> Box:
    """Half of what two neighbours share, where both weigh."""
    a, b = first.output, second.output
    box = Box(b.top, a.bottom, b.left, a.right)
    if a.top == b.top:
        quarter = (box.right - box.left) // 4
        return box._replace(left=box.left + quarter, right=box.right - quarter)
    quarter = (box.bottom - box.top) // 4
    return box._replace(top=box.top + quarter, bottom=box.bottom - quarter)


def _texture(part: Tensor) -> float:
    """How much (B, C, h, w) varies once its noise is averaged away."""
    return F.avg_pool2d(part.float(), 4, ceil_mode=True).std().item()


def seam_energy(image: Tensor, tiles: Sequence[Tile]) -> float:
    """Compare the steps between pixels at borders of tiles with those six lines beside.

    1 tells of no seam. What counts is the mean square of the step across and of its neighbours,
    so that a line shows as well as a step.

    Args:
        image: restored, (B, C, H, W).
        tiles: what it was restored by.
    """
    at, beside = 0.0, 0.0
    for tile in tiles:
        top, bottom, left, right = tile.output
        for part, line in ((image[..., left:right], top), (image[..., top:bottom, :].mT, left)):
            if 8 <= line <= part.shape[-2] - 8:
                steps = part[..., line - 8 : line + 8, :].double().diff(dim=-2).square()
                steps = steps.sum(dim=(0, 1, 3))
                at += steps[[6, 7, 8]].mean().item()
                beside += steps[[0, 1, 13, 14]].mean().item()
    return at / beside if beside else 1.0


def join(pieces: Iterable[Piece], out: Any) -> Any:
    """Write pieces into `out`, a tensor or array (B, C, H, W), and give it back."""
    for top, left, piece in pieces:
        height, width = piece.shape[-2:]
        out[..., top : top + height, left : left + width] = piece
    return out
