"""Which input pixels decide an output pixel, layer by layer: the basis of exact tiling."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


class ReceptiveField(ABC):
    """Which input pixels decide an output pixel, along one axis of an image.

    A crop of the input gives the same output as the whole where it begins at a multiple of
    `alignment`, contains its `input_range` and is at least `min_size` long (or reaches both
    ends of the image).
    """

    @property
    def alignment(self) -> int:
        """Return the period of the layer's grid in pixels."""
        return 1

    @property
    def min_size(self) -> int:
        """Return the least length in pixels at which a crop behaves like a longer axis."""
        return 1

    @abstractmethod
    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the first and the last input pixel that outputs `first` to `last` depend on.

        Args:
            first: first output pixel.
            last: last output pixel, inclusive.
            length: pixels of the axis.
        """


@dataclass(frozen=True)
class Radius(ReceptiveField):
    """Everything up to `radius` pixels away, as with a convolution."""

    radius: int

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        return max(0, first - self.radius), min(length - 1, last + self.radius)


@dataclass(frozen=True)
class Neighborhood(ReceptiveField):
    """The `kernel` nearest pixels `dilation` apart, moved inward at a border."""

    kernel: int
    dilation: int

    @property
    def min_size(self) -> int:
        """A shorter axis has a smaller kernel."""
        return self.kernel * self.dilation

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        step = self.dilation
        kernel = max(1, min(self.kernel, length // step))

        def start(pixel: int) -> int:
            count = -(-(length - pixel % step) // step)
            return pixel % step + step * min(max(pixel // step - kernel // 2, 0), count - kernel)

        # Pixels of every offset modulo the dilation have starts of their own.
        starts = [start(p) for p in range(first, min(last, first + step - 1) + 1)]
        ends = [start(p) for p in range(max(first, last - step + 1), last + 1)]
        return min(starts), max(ends) + step * (kernel - 1)


@dataclass(frozen=True)
class Windows(ReceptiveField):
    """The window a pixel lies in, and `margin` pixels around that window.

    Windows of `size` pixels begin at `shift`; on an axis that one window covers there is no shift.
    """

    size: int
    shift: int = 0
    margin: int = 0

    @property
    def alignment(self) -> int:
        """Windows of a crop and of the whole must coincide."""
        return self.size

    @property
    def min_size(self) -> int:
        """A shorter axis drops the shift."""
        return self.size + 1 if self.shift else 1

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        w, s = self.size, self.shift if length > self.size else 0
        low = (first - s) // w * w + s - self.margin
        high = (last - s) // w * w + s + w - 1 + self.margin
        return max(0, low), min(length - 1, high)


@dataclass(frozen=True)
class OverlappingWindows(ReceptiveField):
    """All windows that a pixel lies in.

    Windows of `size` pixels begin at multiples of `stride`, as many as cover the axis.
    """

    size: int
    stride: int

    @property
    def alignment(self) -> int:
        """Windows of a crop and of the whole must coincide."""
        return self.stride

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        step = self.stride
        final = max(0, -(-(length - self.size) // step))
        low = max(0, -(-(first - self.size + 1) // step))
        high = min(final, last // step)
        return low * step, min(length - 1, high * step + self.size - 1)


@dataclass(frozen=True)
class Compose(ReceptiveField):
    """Receptive fields one after another, in the order of computation."""

    fields: Sequence[ReceptiveField]

    @property
    def alignment(self) -> int:
        """The grids of all fields must coincide."""
        return math.lcm(*(field.alignment for field in self.fields))

    @property
    def min_size(self) -> int:
        """The field that needs the longest axis decides."""
        return max(field.min_size for field in self.fields)

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        for field in reversed(self.fields):
            first, last = field.input_range(first, last, length)
        return first, last


@dataclass(frozen=True)
class Union(Compose):
    """Receptive fields side by side on the same input."""

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        firsts, lasts = zip(*(p.input_range(first, last, length) for p in self.fields), strict=True)
        return min(firsts), max(lasts)


@dataclass(frozen=True)
class Downsampled(ReceptiveField):
    """A receptive field at half the resolution, as below the downsampling of a U-Net."""

    inner: ReceptiveField

    @property
    def alignment(self) -> int:
        """Pairs of pixels of a crop and of the whole must coincide too."""
        return 2 * self.inner.alignment

    @property
    def min_size(self) -> int:
        """Two pixels for each of the inner ones."""
        return 2 * self.inner.min_size

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Return the interval, see `ReceptiveField`."""
        low, high = self.inner.input_range(first // 2, last // 2, -(-length // 2))
        return 2 * low, min(length - 1, 2 * high + 1)


def interior_halo(receptive_field: ReceptiveField) -> int:
    """Return the pixels that an aligned cell far from the borders needs on each side."""
    alignment = receptive_field.alignment
    first, length = 2**30 * alignment, 2**31 * alignment
    low, last = receptive_field.input_range(first, first + alignment - 1, length)
    return max(first - low, last - (first + alignment - 1))


def halo(receptive_field: ReceptiveField, size_multiple: int) -> int:
    """Return the pixels that any aligned cell needs on each side, at worst.

    Near a border that may be more than in the interior, where neighborhoods move inward.

    Args:
        receptive_field: of the net.
        size_multiple: the net pads an axis to a multiple of it.
    """
    alignment = math.lcm(receptive_field.alignment, size_multiple)
    widest = interior_halo(receptive_field)
    border = widest + receptive_field.min_size + 2 * alignment
    for length in range(2 * border, 2 * border + alignment, size_multiple):
        for first in range(0, length, alignment):
            if border < first < length - border:
                continue  # the interior
            end = min(first + alignment, length)
            low, last = receptive_field.input_range(first, end - 1, length)
            widest = max(widest, first - low, last + 1 - end)
    return widest
