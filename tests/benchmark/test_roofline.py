"""Bytes that operations move, and the bounds that follow."""

import pytest
import torch

from denoise.benchmark.roofline import _Traffic, roofline
from denoise.cli.benchmark import FACTORY


def test_traffic_counts_what_is_read_and_written():
    a = torch.ones(1000)
    with _Traffic() as traffic:
        (a + a.view(10, 100).view(1000)).mul_(2)
    assert traffic.bytes == (3 + 2) * a.nbytes  # the sum, the product; views move none


@pytest.mark.slow
def test_nothing_is_faster_than_its_bound():
    (rows,) = roofline(FACTORY, rounds=1).values()
    values = {row["what"]: row["value"] for row in rows}
    assert values["GMACs, ours"] == pytest.approx(values["GMACs, official"], rel=0.05)
    for name in ("official", "ours"):
        assert 0 < values[f"share of the larger bound, {name}"] < 1.2
