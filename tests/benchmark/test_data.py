"""Crops a second."""

from denoise.benchmark.data import data


def test_sliced_crops_are_the_faster():
    (rows,) = data(1).values()
    assert rows[1]["crops a second"] > rows[0]["crops a second"] > 0
