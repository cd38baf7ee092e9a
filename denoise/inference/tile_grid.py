"""Where to cut an image into tiles: exactly where the net allows it, overlapping where it does not.

Tiles are cut from the image as the net pads it, reflected at the bottom and the right to multiples
of the net's `size_multiple`. A tile whose input begins at a multiple of the net's alignment and
holds what `ReceptiveField.need` names gives the very pixels that the whole image gives.
"""

import math
from itertools import pairwise, product
from typing import Any, NamedTuple

from denoise.receptive_field import ReceptiveField


class Box(NamedTuple):
    """A rectangle of pixels; bottom and right are the first beyond it."""

    top: int
    bottom: int
    left: int
    right: int


class Tile(NamedTuple):
    """What a tile gives, in pixels of the image, and what it is computed from, padding included."""

    output: Box
    input: Box


class Axis:
    """One axis of an image that is restored in exact tiles.

    Args:
        pixels: pixels of the axis.
        receptive_field: which pixels decide an output pixel.
        size_multiple: the net pads the axis to a multiple of it.
    """

    def __init__(self, pixels: int, receptive_field: ReceptiveField, size_multiple: int) -> None:
        self.pixels = pixels
        self.length = pixels + -pixels % size_multiple
        self.receptive_field = receptive_field
        self.size_multiple = size_multiple
        self.alignment = math.lcm(receptive_field.alignment, size_multiple)
        self.min_size = receptive_field.min_size + -receptive_field.min_size % size_multiple
        self.step = size_multiple * -(
            -8 // size_multiple
        )  # between places to cut at: finer ones gain little

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Give the first input pixel and the end of the input that outputs first to end need."""
        low, last = self.receptive_field.input_range(first, end - 1, self.length)
        return self._fit(low, last + 1)

    def _fit(self, low: int, high: int) -> tuple[int, int]:
        low = low // self.alignment * self.alignment
        high = min(self.length, max(high + -high % self.size_multiple, low + self.min_size))
        return min(low, max(0, high - self.min_size)) // self.alignment * self.alignment, high

    def cut(self, side: int, mirrored: bool = False) -> list[int]:
        """Give the ends of outputs whose inputs hold at most `side` pixels and the least in sum.

        Args:
            side: most pixels of an input.
            mirrored: whether the outputs must fit on the mirrored axis too.

        Returns:
            From 0 to `pixels`; empty where no cut will do.
        """
        if self.length <= side:
            return [0, self.pixels]
        ends = [*range(0, self.pixels, self.step), self.pixels]
        far = self.length - 1
        low = [self.receptive_field.input_range(c, far, self.length)[0] for c in ends[:-1]]
        high = [0] + [
            self.receptive_field.input_range(0, c - 1, self.length)[1] + 1 for c in ends[1:]
        ]
        if mirrored:
            back = [self.pixels - c for c in ends]
            back_low = [0] + [
                self.receptive_field.input_range(c, far, self.length)[0] for c in back[1:]
            ]
            back_high = [
                self.receptive_field.input_range(0, c - 1, self.length)[1] + 1 for c in back[:-1]
            ]
        # The least sum up to each end: every border is paid for by itself, so this is the least.
        best: list[tuple[float, int]] = [(0, 0)] + [(math.inf, 0)] * (len(ends) - 1)
        for j in range(1, len(ends)):
            for i in reversed(range(j)):
                if high[j] - low[i] > side:
                    break
                first, end = self._fit(low[i], high[j])
                if mirrored:
                    other = self._fit(back_low[j], back_high[i])
                    first, end = max((first, end), other, key=lambda span: span[1] - span[0])
                if end - first <= side:
                    best[j] = min(best[j], (best[i][0] + end - first, i))
        if best[-1][0] == math.inf:
            return []
        place, chosen = len(ends) - 1, [self.pixels]
        while place:
            place = best[place][1]
            chosen.insert(0, ends[place])
        return chosen


def halo(receptive_field: ReceptiveField) -> int:
    """Pixels that an output far from borders, at multiples of the alignment, needs on each side."""
    first, last = 2**30 * receptive_field.alignment, (2**30 + 1) * receptive_field.alignment - 1
    low, high = receptive_field.input_range(first, last, 2**31 * receptive_field.alignment)
    return max(first - low, high - last)


def exact_side(receptive_field: ReceptiveField, size_multiple: int, waste: float = 16) -> int:
    """Give the side of tiles that are exact whatever the image, and waste no more than `plan`."""
    min_size = receptive_field.min_size + -receptive_field.min_size % size_multiple
    idle = (
        max(2 * halo(receptive_field), min_size)
        + math.lcm(receptive_field.alignment, size_multiple)
        + size_multiple * -(-8 // size_multiple)
    )
    enough = math.ceil(idle / (1 - waste**-0.5))
    return enough + -enough % size_multiple


def plan(
    height: int,
    width: int,
    side: int,
    receptive_field: ReceptiveField | None,
    size_multiple: int,
    *,
    mirrored: bool = False,
    waste: float = 16,
    cause: str = "",
) -> list[Tile]:
    """Cut an image into tiles that give exactly what the whole gives, at the least work.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        side: most pixels of a tile's input along an axis.
        receptive_field: the net's; None allows one tile alone.
        size_multiple: the net pads images to multiples of it.
        mirrored: whether the tiles must fit on the flipped image too, see `restore_ensembled`.
        waste: most pixels of all inputs together, as a multiple of the image's.
        cause: layers to name in an error.

    Raises:
        ValueError: where no exact tiles of this side exist, or they waste too much.
    """
    if receptive_field is None:
        if max(height + -height % size_multiple, width + -width % size_multiple) > side:
            raise ValueError(
                f"no tile gives what the whole {height}x{width} image gives{cause}: "
                "use more memory, or approximate by blended tiles"
            )
        whole = Box(0, height, 0, width)
        return [
            Tile(whole, Box(0, height + -height % size_multiple, 0, width + -width % size_multiple))
        ]
    axes = Axis(height, receptive_field, size_multiple), Axis(width, receptive_field, size_multiple)
    spans = []
    for axis in axes:
        ends = axis.cut(side, mirrored)
        spans.append([((a, b), axis.span(a, b)) for a, b in pairwise(ends)])
    work = math.prod(sum(high - low for _, (low, high) in axis) for axis in spans)
    if not 0 < work <= waste * axes[0].length * axes[1].length:
        enough = exact_side(receptive_field, size_multiple, waste)
        raise ValueError(
            f"tiles of {side} px leave too little output: exact ones need "
            f"{halo(receptive_field)} px on each side{cause}: give {enough} px, or approximate "
            "by blended tiles"
        )
    return [Tile(Box(*y, *x), Box(*rows, *columns)) for (y, rows), (x, columns) in product(*spans)]


def plan_for(net: Any, height: int, width: int, side: int, *, mirrored: bool = False) -> list[Tile]:
    """Cut an image as `plan` does, for a backbone that knows its reach.

    Args:
        net: a backbone with `receptive_field`, `size_multiple`, `global_layers()` and `layers()`,
            or any other net, which is taken to be whole-image.
        height: of the image in pixels.
        width: of the image in pixels.
        side: most pixels of a tile's input along an axis.
        mirrored: see `plan`.

    Raises:
        ValueError: see `plan`; names the layers that keep tiles from being exact or small.
    """
    receptive_field, cause = getattr(net, "receptive_field", None), ""
    names = getattr(net, "global_layers", list)()
    if names:
        cause = f" with {', '.join(names[:3])}" + f" and {len(names) - 3} more" * (len(names) > 3)
    elif receptive_field:
        widest = max(net.layers(), key=lambda layer: layer[1] * halo(layer[2]))
        cause = f", most of a layer for {widest[0]}"
    size_multiple = getattr(net, "size_multiple", 1)
    return plan(height, width, side, receptive_field, size_multiple, mirrored=mirrored, cause=cause)


def plan_blended(
    height: int, width: int, side: int, overlap: int, size_multiple: int, alignment: int
) -> list[Tile]:
    """Cut an image into tiles that overlap, to be blended: approximate.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        side: pixels of a tile along an axis.
        overlap: least pixels that neighbours share.
        size_multiple: the net pads images to multiples of it.
        alignment: tiles begin at multiples of it, and of the unit.

    Raises:
        ValueError: where the overlap leaves nothing of the tile.
    """
    alignment = math.lcm(alignment, size_multiple)
    side = side // alignment * alignment
    stride = (side - overlap) // alignment * alignment
    if stride <= 0:
        raise ValueError(
            f"overlap={overlap} leaves nothing of tiles of {side} px: give larger ones"
        )
    spans = []
    for pixels in (height, width):
        length = pixels + -pixels % size_multiple
        steps = -(-max(0, length - side) // stride)
        even = -(-(length - side) // (alignment * steps)) * alignment if steps else 0
        spans.append([(k * even, min(k * even + side, length)) for k in range(steps + 1)])
    return [
        Tile(Box(top, min(bottom, height), left, min(right, width)), Box(top, bottom, left, right))
        for (top, bottom), (left, right) in product(*spans)
    ]
