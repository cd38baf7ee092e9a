"""Norms against the way that their papers write them."""

import pytest
import torch

from denoise.benchmark.calls import image
from denoise.benchmark.norm import PlainDyT, norm
from denoise.cli.benchmark import FACTORY
from denoise.norm import DyT


def test_the_papers_dyt_is_ours():
    ours, x = DyT(96), image(8, dim=96)
    plain = PlainDyT(96)
    plain.load_state_dict(ours.state_dict())
    torch.testing.assert_close(plain(x), ours(x))


@pytest.mark.slow
def test_every_norm_is_in_the_tables():
    tables = norm(FACTORY, rounds=1)
    for rows in tables.values():
        assert {"layernorm", "dyt", "dyt compiled", "dyt bf16"} <= {row["variant"] for row in rows}
