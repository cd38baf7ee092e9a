"""The grid of tiles: exact by alignment, halo and least size, or overlapping and blended."""

import math
from itertools import pairwise

import numpy as np
import pytest

from denoise.inference.tile_grid import (
    MAX_OVERHEAD,
    Box,
    TileConstraints,
    blend_weights,
    exact_input,
    exact_tile_size,
    exact_tiles,
    overlapping_tiles,
    reflect_index,
)
from denoise.receptive_field import (
    Compose,
    Downsampled,
    Neighborhood,
    OverlappingWindows,
    Radius,
    Windows,
    halo,
)

FIELDS = {
    "convolutions": (Downsampled(Downsampled(Radius(3))), 4),
    "windows": (
        Compose([Radius(1), Downsampled(Compose([Windows(4), Windows(4, 2)])), Radius(1)]),
        2,
    ),
    "neighbours": (Compose([Neighborhood(3, 2), Downsampled(Neighborhood(3, 1))]), 2),
    "cells": (Compose([Radius(1), OverlappingWindows(8, 4)]), 1),
}


def constraints(name):
    field, multiple = FIELDS[name]
    min_size = field.min_size + -field.min_size % multiple
    step = math.lcm(field.alignment, multiple)
    return TileConstraints(multiple, step, halo(field, multiple), min_size, 1)


@pytest.mark.parametrize("name", FIELDS)
class TestExact:
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 64), (131, 97)], ids=str)
    def test_covers_once_by_aligned_inputs(self, name, size, mirrored):
        field, multiple = FIELDS[name]
        limits = constraints(name)
        padded = [length + -length % multiple for length in size]
        seen = np.zeros(size)
        for output, given in exact_tiles(*size, 72, limits, mirrored=mirrored):
            seen[output.top : output.bottom, output.left : output.right] += 1
            for d, length, pixels in ((0, padded[0], size[0]), (2, padded[1], size[1])):
                spans = [(output[d : d + 2], given[d : d + 2])]
                if mirrored:
                    turned = pixels - output[d + 1], pixels - output[d]
                    spans.append((turned, exact_input(*turned, pixels, limits)))
                for (first, end), (low, high) in spans:
                    needed = field.input_range(first, end - 1, length)
                    assert 0 <= low <= needed[0] <= needed[1] < high <= length
                    assert low % limits.step == 0
                    assert high % multiple == 0
                    assert high - low <= 72
                    assert high - low >= min(length, field.min_size)
        assert (seen == 1).all()

    def test_every_output_but_the_last_is_as_long_as_fits(self, name):
        limits = constraints(name)
        rows = [tile.output[:2] for tile in exact_tiles(301, 8, 72, limits)]
        assert len(rows) > 2
        for first, end in rows[:-1]:
            low, high = exact_input(first, end + limits.step, 301, limits)
            assert high - low > 72

    def test_none_where_the_halo_fills_the_tile(self, name):
        limits = constraints(name)
        assert not exact_tiles(200, 200, 2 * limits.halo, limits)
        enough = exact_tile_size(limits)
        tiles = exact_tiles(3000, 8, enough, limits, mirrored=True)
        work = sum((b - a) * (d - c) for _, (a, b, c, d) in tiles)
        assert 0 < work <= MAX_OVERHEAD**0.5 * 3000 * 8


def test_without_a_halo_the_whole_is_the_only_tile():
    limits = TileConstraints(8, 8, None, 8, 1)
    assert exact_tiles(99, 100, 104, limits) == [limits.whole(99, 100)]
    assert limits.whole(99, 100).input == Box(0, 104, 0, 104)
    assert exact_tiles(99, 100, 96, limits) == []


class TestOverlapping:
    @pytest.mark.parametrize("smallest", [1, 25])
    @pytest.mark.parametrize("size", [(5, 9), (40, 200), (97, 131), (1009, 8)], ids=str)
    @pytest.mark.parametrize("overlap", [0, 5, 16, 20])
    def test_tiles_cover_overlap_and_are_large_enough(self, size, overlap, smallest):
        limits = TileConstraints(4, 8, None, 8, smallest)
        tiles = overlapping_tiles(*size, 40, overlap, limits)
        for axis, pixels in ((0, size[0]), (2, size[1])):
            spans = sorted({tile.output[axis : axis + 2] for tile in tiles})
            assert spans[0][0] == 0
            assert spans[-1][1] == pixels
            assert all(a[1] - b[0] >= overlap for a, b in pairwise(spans))
            inputs = {tile.input[axis : axis + 2] for tile in tiles}
            assert all(smallest <= high - low <= 40 for low, high in inputs)
            assert all(low % 8 == high % 4 == 0 for low, high in inputs)

    def test_overlap_leaves_something(self):
        with pytest.raises(ValueError, match="overlap=40 leaves nothing of tiles of 40 px"):
            overlapping_tiles(100, 100, 47, 40, TileConstraints(4, 8, None, 8, 1))


@pytest.mark.parametrize("overlap", [0, 5, 16, 20, 24])
def test_weights_are_one_in_sum_and_symmetric(overlap):
    spans = [(k * (40 - overlap), k * (40 - overlap) + 40) for k in range(4)]
    length = spans[-1][1]
    total = np.zeros(length)
    weights = blend_weights(spans, length)
    for (first, end), weight in weights.items():
        total[first:end] += weight
        assert (weight > 0).all()
    np.testing.assert_allclose(total, 1, rtol=1e-12)
    if overlap <= 20:  # else three tiles meet
        np.testing.assert_allclose(weights[spans[1]], weights[spans[1]][::-1], rtol=1e-12)


def test_reflection_replicates_where_the_axis_is_too_short():
    assert reflect_index(0, 8, 5).tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert reflect_index(2, 8, 2).tolist() == [0, 0, 0, 0, 0, 0]
    assert reflect_index(3, 4, 9).tolist() == [3]
