"""Padding against a loop over places, and against torch's own."""

import pytest
import torch
import torch.nn.functional as F
from oracles import image

from denoise.layers.padding import pad_to_multiple, reflect_pad


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 16), (9, 23)], ids=str)
def test_a_multiple_is_reached_by_reflection_then_repetition(size):
    x = image(2, 3, *size)

    def source(place, length):
        return place if place < length else max(0, 2 * (length - 1) - place)

    H, W = ((length + 7) // 8 * 8 for length in size)
    rows, columns = [source(i, size[0]) for i in range(H)], [source(j, size[1]) for j in range(W)]
    assert torch.equal(pad_to_multiple(x, 8), x[:, :, rows][..., columns])


@pytest.mark.parametrize("size", [(1, 4), (3, 3), (4, 9)], ids=str)
def test_reflection_is_torchs_and_repeats_where_an_axis_is_too_short(size):
    x, radius = image(2, 3, *size), 3
    expected = F.pad(x, (0, 0, radius, radius), "reflect" if size[0] > radius else "replicate")
    expected = F.pad(
        expected, (radius, radius, 0, 0), "reflect" if size[1] > radius else "replicate"
    )
    assert torch.equal(reflect_pad(x, radius), expected)
