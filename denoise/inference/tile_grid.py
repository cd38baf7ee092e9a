"""Where to cut an image into tiles, for restore and for the exported runner.

Imports only numpy: a copy of this file lies beside every exported `run.py`. Tiles are cut from
the image as the net pads it, by reflection at the bottom and the right. A tile whose input begins
at a multiple of the alignment and holds the halo gives the same pixels as the whole image.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

MAX_OVERHEAD = 16  # pixels of all inputs of exact tiles together, as a multiple of the image's


class Box(NamedTuple):
    """A rectangle of pixels; bottom and right are the first beyond it."""

    top: int
    bottom: int
    left: int
    right: int


class Tile(NamedTuple):
    """The pixels that a tile restores, and those it is computed from, padding included."""

    output: Box
    input: Box


class TileConstraints(NamedTuple):
    """Constraints of a net on its tiles, in pixels.

    Args:
        size_multiple: the net pads images to multiples of it.
        alignment: tiles that begin at multiples of it are computed as in the whole image.
        halo: pixels that an exact tile needs around its output; None where no tile is exact.
        min_size: smallest input of an exact tile along an axis.
        smallest: smallest input of the net along an axis.
    """

    size_multiple: int
    alignment: int
    halo: int | None
    min_size: int
    smallest: int

    @property
    def step(self) -> int:
        """Return the pixels at whose multiples a tile may begin."""
        return math.lcm(self.alignment, self.size_multiple)

    def padded(self, pixels: int) -> int:
        """Return the length of an axis as the net pads it."""
        return _round_up(max(pixels, self.smallest), self.size_multiple)

    def whole(self, height: int, width: int) -> Tile:
        """Return the tile that is the whole image."""
        padded = Box(0, self.padded(height), 0, self.padded(width))
        return Tile(Box(0, height, 0, width), padded)


def exact_input(first: int, end: int, pixels: int, limits: TileConstraints) -> tuple[int, int]:
    """Return first and end of the input that gives the outputs `first` to `end` of an axis exactly.

    Args:
        first: first output pixel.
        end: end of the output, exclusive.
        pixels: of the axis.
        limits: of the net, whose halo is known.
    """
    assert limits.halo is not None
    length, step = limits.padded(pixels), limits.step
    high = _round_up(_round_up(end, step) + limits.halo, limits.size_multiple)
    low = min(first // step * step - limits.halo, min(high, length) - limits.min_size)
    low = max(0, low // step * step)
    return low, min(length, max(high, low + limits.min_size))


def exact_tiles(
    height: int, width: int, tile_size: int, limits: TileConstraints, *, mirrored: bool = False
) -> list[Tile]:
    """Cut an image into tiles that give exactly the pixels of the whole.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        tile_size: largest height or width of a tile's input in pixels.
        limits: of the net.
        mirrored: whether the outputs must also be exact tiles of the mirrored image.

    Returns:
        As few tiles as possible; none where no tile of this size is exact, or where all of them
        together take more than `MAX_OVERHEAD` times the work of the whole.
    """
    whole = limits.whole(height, width)
    if max(whole.input) <= tile_size:
        return [whole]
    if limits.halo is None:
        return []

    def inputs(first: int, end: int, pixels: int) -> Iterator[tuple[int, int]]:
        yield exact_input(first, end, pixels, limits)
        if mirrored:
            yield exact_input(pixels - end, pixels - first, pixels, limits)

    spans: list[list[tuple[int, int]]] = [[], []]
    for pixels, axis in zip((height, width), spans, strict=True):
        first = 0
        while first < pixels:
            longest = range(first + limits.step, min(pixels, first + tile_size), limits.step)
            for end in (pixels, *reversed(longest)):
                if all(high - low <= tile_size for low, high in inputs(first, end, pixels)):
                    break
            else:
                return []
            axis.append((first, end))
            first = end
    tiles = [
        Tile(
            Box(*rows, *columns),
            Box(*exact_input(*rows, height, limits), *exact_input(*columns, width, limits)),
        )
        for rows, columns in product(*spans)
    ]
    work = sum((box.bottom - box.top) * (box.right - box.left) for _, box in tiles)
    return tiles if work <= MAX_OVERHEAD * whole.input.bottom * whole.input.right else []


def exact_tile_size(limits: TileConstraints) -> int:
    """Return the size of tiles that are exact on any image, also mirrored, within MAX_OVERHEAD."""
    assert limits.halo is not None
    step = limits.step
    lost = step + max(2 * _round_up(limits.halo, step), _round_up(limits.min_size, step))
    return lost + _round_up(math.ceil(lost / (MAX_OVERHEAD**0.5 - 1)), step)


def overlapping_tiles(
    height: int, width: int, tile_size: int, overlap: int, limits: TileConstraints
) -> list[Tile]:
    """Cut an image into tiles that overlap, to be blended: approximate.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        tile_size: largest height or width of a tile in pixels.
        overlap: pixels that neighbours share at least.
        limits: of the net.

    Raises:
        ValueError: where the overlap leaves nothing of the tile.
    """
    whole, step = limits.whole(height, width), limits.step
    tile_size = max(tile_size, limits.smallest) // step * step
    stride = (tile_size - overlap) // step * step
    # The last tile may be up to a step shorter than the others.
    if stride <= 0 or (tile_size - step < limits.smallest and max(whole.input) > tile_size):
        raise ValueError(
            f"overlap={overlap} leaves nothing of tiles of {tile_size} px: give larger ones"
        )
    spans = []
    for length in (whole.input.bottom, whole.input.right):
        last = _round_up(max(0, length - tile_size), step)
        count = -(-last // stride)
        starts = [k * (last // step) // count * step for k in range(count + 1)] if count else [0]
        spans.append([(start, min(start + tile_size, length)) for start in starts])
    return [
        Tile(Box(top, min(bottom, height), left, min(right, width)), Box(top, bottom, left, right))
        for (top, bottom), (left, right) in product(*spans)
    ]


def blend_weights(
    spans: Sequence[tuple[int, int]], length: int
) -> dict[tuple[int, int], np.ndarray]:
    """Return raised cosines that fall where neighbours overlap; at every pixel they sum to 1.

    Args:
        spans: first and end of the outputs of tiles along an axis, in order.
        length: of the axis in pixels.
    """
    weights = {span: np.ones(span[1] - span[0]) for span in spans}
    for left, right in pairwise(spans):
        shared = max(0, left[1] - right[0])
        rise = np.sin(np.pi / 2 * (np.arange(shared) + 0.5) / max(1, shared)) ** 2
        weights[left][len(weights[left]) - shared :] *= rise[::-1]
        weights[right][:shared] *= rise
    total = np.zeros(length)
    for (first, end), weight in weights.items():
        total[first:end] += weight
    return {(first, end): weight / total[first:end] for (first, end), weight in weights.items()}


def reflect_index(first: int, end: int, length: int) -> np.ndarray:
    """Return the pixels of an axis that stand at `first` to `end` of the padded one.

    Reflected at the end of the axis, and replicated where the axis is too short to reflect.
    """
    return np.maximum(length - 1 - abs(length - 1 - np.arange(first, end)), 0)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
