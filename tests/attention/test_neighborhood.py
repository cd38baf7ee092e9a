"""Neighbourhood attention against a loop over pixels."""

import pytest
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_pixels

from denoise.attention.neighborhood import NeighborhoodAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (5, 3), (7, 4)])
def test_neighborhood_by_pixels(size, kernel, dilation):
    mixer = randomize(
        NeighborhoodAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])
    ).double()

    def visible(place, length):
        k = max(1, min(kernel, length // dilation))
        offset, step = place % dilation, place // dilation
        count = -(-(length - offset) // dilation)
        start = min(max(step - k // 2, 0), count - k)
        return [offset + dilation * (start + i) for i in range(k)]

    def oracle(x):
        def bias(dy, dx):
            return mixer.position_bias[:, dy // dilation + kernel - 1, dx // dilation + kernel - 1]

        return by_pixels(mixer, x, visible, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))
