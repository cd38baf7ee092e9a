"""Attention against other packages: on the same weights, and every table filled."""

import pytest
import torch
from harness import make, randomize

from denoise.benchmark.attention import LOCAL, TorchvisionSwin, attention
from denoise.benchmark.calls import image
from denoise.cli.benchmark import FACTORY


def test_torchvisions_windows_are_compared_on_the_same_weights():
    ours = randomize(make("attention", "attention=swin")(48, 2, 1).eval())
    torch.testing.assert_close(TorchvisionSwin(ours, shift=4)(image(16)), ours(image(16)))


@pytest.mark.slow
def test_the_tables_hold_every_variant():
    tables = attention(FACTORY, rounds=1)
    for title in ("inference", "training"):
        rows = tables[f"local attention, kernel 7, 192 channels, 64 x 64, {title}"]
        assert [row["variant"] for row in rows] == [*LOCAL, "swin of torchvision"]
