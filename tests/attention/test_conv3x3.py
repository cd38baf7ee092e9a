"""The convolutional branch against a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.conv3x3 import DepthwiseSeparableConvolution


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_conv3x3_by_pixels(size):
    mixer = randomize(DepthwiseSeparableConvolution(8, 2, 0)).double()

    def loop(x):
        x = by_taps(mixer.dwconv, by_taps(mixer.proj_in, x))
        return by_taps(mixer.proj, x * (1 + torch.erf(x / 2**0.5)) / 2)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))
