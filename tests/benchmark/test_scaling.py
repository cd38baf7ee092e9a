"""Larger and larger images, until one is too slow or too large."""

from harness import make

from denoise.benchmark.scaling import scale


def test_scaling_stops_where_the_next_would_be_too_large():
    mixers = {name: make("attention", f"attention={name}")(48, 2, 1).eval()
              for name in ("swin", "none")}  # fmt: skip
    rows = scale(mixers, [16, 32, 64], rounds=1, seconds=60, mib=1.0)
    assert {row["side"] for row in rows if row["variant"] == "none"} == {16, 32, 64}
    assert {row["side"] for row in rows if row["variant"] == "swin"} < {16, 32, 64}
