"""The 1x1 convolution against a loop over pixels."""

import pytest
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.conv1x1 import PointwiseConvolution


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_conv1x1_by_pixels(size):
    mixer = randomize(PointwiseConvolution(8, 2, 0)).double()

    def loop(x):
        return by_taps(mixer.proj, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))
