"""Large kernel attention against a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.lka import LargeKernelAttention


def gelu(x):
    return x * (1 + torch.erf(x / 2**0.5)) / 2


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_lka_by_pixels(size):
    mixer = randomize(LargeKernelAttention(8, 2, 0)).double()

    def loop(x):
        x = gelu(by_taps(mixer.proj_in, x))
        x = x * by_taps(mixer.point, by_taps(mixer.far, by_taps(mixer.near, x)))
        return by_taps(mixer.proj, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))
