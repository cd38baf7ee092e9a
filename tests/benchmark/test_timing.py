"""Interleaved timing: medians, quartiles, speedups and peak memory."""

import time

import pytest
import torch

from denoise.benchmark.timing import compare


def test_twice_the_time_is_half_the_speed():
    variants = {"long": lambda: time.sleep(0.06), "short": lambda: time.sleep(0.03)}
    long, short = compare(variants, rounds=3, progress="sleeping", memory=False)
    assert long["speedup"] == 1
    assert long["ms"] == pytest.approx(60, rel=0.3)
    assert short["speedup"] == pytest.approx(2, rel=0.3)
    assert long["q1"] <= long["ms"] <= long["q3"]


def test_variants_are_interleaved():
    calls = []
    variants = {name: lambda name=name: (calls.append(name), time.sleep(0.03)) for name in "ab"}
    compare(variants, rounds=3, progress="sleeping", memory=False)
    assert "".join(calls[4:]) == "ababab"  # after a warm-up and a call that is counted


def test_peak_memory_is_what_is_held_at_once():
    variants = {
        "one": lambda: torch.ones(2**20),
        "two": lambda: (torch.ones(2**20), torch.ones(2**20)),
    }
    one, two = compare(variants, rounds=1, progress="allocating")
    assert one["peak MiB"] == pytest.approx(4, abs=0.1)
    assert two["peak MiB"] == pytest.approx(8, abs=0.1)
