"""The depthwise gate against a loop over pixels."""

import pytest
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.dwconv import DepthwiseGate


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_dwconv_by_pixels(size):
    mixer = randomize(DepthwiseGate(8, 2, 0)).double()

    def loop(x):
        gate, value = by_taps(mixer.proj_in, x).split(8, 1)
        return by_taps(mixer.proj, value * by_taps(mixer.dwconv, gate))

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


def test_its_kernel_is_odd():
    assert DepthwiseGate(8, 2, 0, kernel_size=3).properties.receptive_field.input_range(
        5, 5, 20
    ) == (4, 6)
    with pytest.raises(ValueError, match="kernel_size=4 must be odd"):
        DepthwiseGate(8, 2, 0, kernel_size=4)
