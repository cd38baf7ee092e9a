"""Tiles of an axis against a loop over its pixels."""

import pytest
import torch

from denoise.layers.tiled_axis import TiledAxis


@pytest.mark.parametrize("border", ["shift", "mask"])
@pytest.mark.parametrize(
    ("length", "kernel", "step"), [(1, 1, 1), (9, 7, 1), (26, 5, 1), (23, 3, 2)]
)
def test_every_pixel_has_the_keys_of_its_neighborhood(length, kernel, step, border):
    axis = TiledAxis(length, 4, kernel, border, 2 * kernel - 1, torch.device("cpu"), step)
    queries = axis.queries.flatten()
    bias_index = axis.bias_index.flatten(0, 1)
    keys = axis.keys.repeat_interleave(axis.tile, 0)
    assert torch.equal(queries[axis.position], torch.arange(length))
    for pixel, place in enumerate(axis.position.tolist()):
        count = -(-(length - pixel % step) // step)
        first = pixel // step - kernel // 2
        if border == "shift":
            first = min(max(first, 0), count - kernel)
        expected = {
            pixel % step + step * n: n - pixel // step + kernel - 1
            for n in range(first, first + kernel)
            if 0 <= n < count
        }
        row = zip(keys[place].tolist(), bias_index[place].tolist(), strict=True)
        assert {key: index for key, index in row if index < 2 * kernel - 1} == expected


def test_spans_begin_where_their_keys_do():
    axis = TiledAxis(26, 4, 7, "mask", 13, torch.device("cpu"))
    assert axis.starts() == axis.keys[:, 0].tolist()
