"""The values that become black and white: those of the file's type, declared, or measured."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import numpy as np

from denoise.image_io.pixels import WHITE

PERCENTILES = (0.1, 99.9)  # of a picture
SENSOR_BITS = (9, 10, 11, 12, 13, 14)  # that cameras and scanners store in files of 16


class Bounds(NamedTuple):
    """The values that become 0 and 1."""

    low: float
    high: float


ValueRange = Bounds | Literal["auto", "percentile"]


def parse_range(option: str | Sequence[float]) -> ValueRange:
    """Return a range of values as it is written in a config.

    Args:
        option: auto, percentile, or [low, high].

    Raises:
        ValueError: If it is none of them.
    """
    if option in ("auto", "percentile"):
        return cast(Literal["auto", "percentile"], option)
    ends = list(option) if isinstance(option, Sequence) and not isinstance(option, str) else []
    numbers = [one for one in ends if isinstance(one, int | float) and math.isfinite(one)]
    if len(ends) != 2 or len(numbers) != 2 or not ends[0] < ends[1]:
        raise ValueError(
            f"range={option} is no range of values: give auto, percentile, or [low,high] such as "
            "[0,4095]"
        )
    return Bounds(float(ends[0]), float(ends[1]))


def bounds_of(pixels: np.ndarray, value_range: ValueRange) -> Bounds:
    """Return the values of a picture that become 0 and 1.

    Raises:
        ValueError: If its percentiles are the same value, as in a picture of one colour.
    """
    if isinstance(value_range, Bounds):
        return value_range
    if value_range == "auto":
        return Bounds(0.0, float(WHITE[pixels.dtype]))
    low, high = map(float, np.percentile(pixels, PERCENTILES))
    if not low < high:
        raise ValueError(f"values from {low:g} to {high:g}: range=percentile needs some spread")
    return Bounds(low, high)


def to_fraction(pixels: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return float32 pixels in which the bounds are 0 and 1; values beyond are not clipped."""
    scaled = pixels.astype(np.float32)
    scaled -= np.float32(bounds.low)
    scaled /= np.float32(bounds.high - bounds.low)
    return scaled


def from_fraction(pixels: np.ndarray, bounds: Bounds, dtype: np.dtype) -> np.ndarray:
    """Undo `to_fraction`; integers are rounded, and clipped to what their type holds."""
    values = pixels * np.float32(bounds.high - bounds.low) + np.float32(bounds.low)
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    return values.astype(dtype)


def unused_bits(pixels: np.ndarray) -> str:
    """Return a note where 16-bit pixels look like those of a sensor of fewer bits; else nothing."""
    if pixels.dtype != np.uint16:
        return ""
    bits = int(pixels.max()).bit_length()
    if bits not in SENSOR_BITS:
        return ""
    return f"{bits} of 16 bits are used: if they are all there are, range=[0,{2**bits - 1}]"
