import numpy as np
import pytest
from omegaconf import OmegaConf

from denoise.image_io.value_range import (
    Bounds,
    bounds_of,
    from_fraction,
    parse_range,
    to_fraction,
    unused_bits,
)


def test_ranges_as_they_are_written():
    assert parse_range("auto") == "auto"
    assert parse_range("percentile") == "percentile"
    assert parse_range([0, 4095]) == parse_range(OmegaConf.create([0, 4095])) == Bounds(0, 4095)
    for wrong in ("full", [1], [2, 1], [0, float("inf")], [0, "x"], 5, None, {"low": 0}):
        with pytest.raises(ValueError, match="is no range of values: give auto, percentile"):
            parse_range(wrong)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bounds", [Bounds(0, 255), Bounds(-1024, 3071), Bounds(3, 7)])
def test_values_come_back(dtype, bounds):
    pixels = np.arange(256).reshape(16, 16, 1).astype(dtype)
    unit = to_fraction(pixels, bounds)
    assert unit.dtype == np.float32
    expected = (pixels.astype(float) - bounds.low) / (bounds.high - bounds.low)
    np.testing.assert_allclose(unit, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(from_fraction(unit, bounds, np.dtype(dtype)), pixels, atol=1e-3)


def test_integers_are_rounded_and_clipped_to_their_type():
    unit = np.float32([-1, 0.5, 2])
    assert from_fraction(unit, Bounds(0, 255), np.dtype(np.uint8)).tolist() == [0, 128, 255]
    assert from_fraction(unit, Bounds(0, 4095), np.dtype(np.uint16)).tolist() == [0, 2048, 8190]


def test_percentiles_leave_few_extremes_out():
    pixels = np.arange(10_001, dtype=np.float32)
    assert bounds_of(pixels, "percentile") == pytest.approx((10, 9990))
    with pytest.raises(ValueError, match="needs some spread"):
        bounds_of(np.zeros(5, np.float32), "percentile")


@pytest.mark.parametrize(("largest", "bits"), [(4095, 12), (2048, 12), (1000, 10), (16383, 14)])
def test_few_bits_of_sixteen_are_noted(largest, bits):
    note = unused_bits(np.array([0, largest], np.uint16))
    assert f"{bits} of 16 bits" in note
    assert f"range=[0,{2**bits - 1}]" in note


@pytest.mark.parametrize("pixels", [np.uint16([255]), np.uint16([40_000]), np.uint8([200])])
def test_whole_depths_are_not(pixels):
    assert not unused_bits(pixels)
