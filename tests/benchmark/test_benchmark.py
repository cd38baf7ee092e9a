"""The benchmark's own arithmetic; what it measures is in docs/benchmarks."""

import time

import pytest
import torch
from harness import make, randomize
from PIL import Image

from denoise.benchmark.attention import (
    TorchvisionSwin,
    growth,
    image,
    inference,
    properties,
    training,
)
from denoise.benchmark.data import data
from denoise.benchmark.model import half
from denoise.benchmark.plot import plot_growth
from denoise.benchmark.timing import compare
from denoise.results.tables import markdown


def mixers(*names):
    return {name: make("attention", f"attention={name}")(48, 2, 1).eval() for name in names}


def test_twice_the_time_is_half_the_speed():
    forms = {"long": lambda: time.sleep(0.06), "short": lambda: time.sleep(0.03)}
    long, short = compare(forms, rounds=3, progress="sleeping", memory=False)
    assert long["speedup"] == 1
    assert long["ms"] == pytest.approx(60, rel=0.3)
    assert short["speedup"] == pytest.approx(2, rel=0.3)
    assert long["q1"] <= long["ms"] <= long["q3"]


def test_peak_memory_is_what_is_held_at_once():
    forms = {
        "one": lambda: torch.ones(2**20),
        "two": lambda: (torch.ones(2**20), torch.ones(2**20)),
    }
    one, two = compare(forms, rounds=1, progress="allocating")
    assert one["peak MiB"] == pytest.approx(4, abs=0.1)
    assert two["peak MiB"] == pytest.approx(8, abs=0.1)


def test_facts_are_laid_out():
    table = properties(mixers("swin", "mdta", "none"), 64)
    assert table["swin"]["sees"] == "7 px"
    assert table["swin"]["shifts by"] == "8 px"
    assert table["mdta"]["sees"] == "image"
    assert table["none"]["parameters"] == 0
    assert "| window |" in markdown(list(table.values()))


def test_growth_stops_where_the_next_would_be_too_large(tmp_path):
    some = mixers("swin", "none")
    rows = growth(some, [16, 32, 64], rounds=1, seconds=60, mib=1.0)
    assert {row["side"] for row in rows if row["form"] == "none"} == {16, 32, 64}
    assert {row["side"] for row in rows if row["form"] == "swin"} < {16, 32, 64}
    families = {name: mixer.properties.family for name, mixer in some.items()}
    plot_growth(rows, families, tmp_path / "growth.png")
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 1000


def test_forms_run_forward_and_backward():
    mixer = mixers("mdta")["mdta"]
    x = image(8)
    assert inference(mixer, x)().shape == x.shape
    assert not inference(mixer, x)().requires_grad
    training(mixer, x)()
    assert all(p.grad is not None for p in mixer.parameters())
    assert half(mixer)(x).dtype == torch.bfloat16


def test_sliced_crops_are_the_faster():
    (rows,) = data(1).values()
    assert rows[1]["crops a second"] > rows[0]["crops a second"] > 0


def test_torchvisions_windows_are_compared_on_the_same_weights():
    ours = randomize(mixers("swin")["swin"])
    torch.testing.assert_close(TorchvisionSwin(ours, shift=4)(image(16)), ours(image(16)))
