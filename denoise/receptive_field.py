"""Which input pixels decide an output pixel, layer by layer: what exact tiling relies on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


class ReceptiveField(ABC):
    """Which input pixels decide an output pixel, along one axis of an image.

    A crop of the input gives the same output as the whole where it begins at a multiple of
    `alignment`, holds what `input_range` names and is at least `min_size` long (or reaches both
    ends of the image).
    """

    alignment: int = 1
    min_size: int = 1

    @abstractmethod
    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Give the first and last input pixel that outputs `first` to `last` depend on.

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
        """Give the interval, see `ReceptiveField`."""
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
        """Give the interval, see `ReceptiveField`."""
        step = self.dilation
        kernel = max(1, min(self.kernel, length // step))

        def start(place: int) -> int:
            count = -(-(length - place % step) // step)
            return place % step + step * min(max(place // step - kernel // 2, 0), count - kernel)

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
        """Give the interval, see `ReceptiveField`."""
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
        """Give the interval, see `ReceptiveField`."""
        step = self.stride
        final = max(0, -(-(length - self.size) // step))
        low = max(0, -(-(first - self.size + 1) // step))
        high = min(final, last // step)
        return low * step, min(length - 1, high * step + self.size - 1)


@dataclass(frozen=True)
class Compose(ReceptiveField):
    """One reach after another, in the order of computation."""

    parts: Sequence[ReceptiveField]

    @property
    def alignment(self) -> int:
        """All parts' alignments at once."""
        return math.lcm(*(part.alignment for part in self.parts))

    @property
    def min_size(self) -> int:
        """The longest of the parts' least lengths."""
        return max(part.min_size for part in self.parts)

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Give the interval, see `ReceptiveField`."""
        for part in reversed(self.parts):
            first, last = part.input_range(first, last, length)
        return first, last


@dataclass(frozen=True)
class Union(Compose):
    """Several reaches side by side on the same input."""

    def input_range(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Give the interval, see `ReceptiveField`."""
        firsts, lasts = zip(*(p.input_range(first, last, length) for p in self.parts), strict=True)
        return min(firsts), max(lasts)


@dataclass(frozen=True)
class Downsampled(ReceptiveField):
    """A reach among pixels that stand for two each, as below the downsampling of a U-Net."""

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
        """Give the interval, see `ReceptiveField`."""
        low, high = self.inner.input_range(first // 2, last // 2, -(-length // 2))
        return 2 * low, min(length - 1, 2 * high + 1)
