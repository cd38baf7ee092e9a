"""The table of a sweep, from the results.json of its runs."""

import csv
import json

import pytest

from denoise.results.sweep import gather_seeds, half_width, sweep_rows, write_summary

MODEL = {"parameters": 1234567, "macs": 4_440_000_000, "macs_size": 256}


def mean(name, sigma, psnr, method="restored"):
    return {"set": name, "sigma": sigma, "method": method, "images": 2, "psnr": psnr, "ssim": 0.5}


def write(folder, run, *overrides, **content):
    path = folder / str(run) / "results.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"overrides": ["sigma=25", *overrides]} | content))


def images(*seconds):
    return [
        {"method": "noisy"},
        *({"method": "restored", "seconds": second} for second in seconds),
    ]


def sweep(folder):
    for run, psnr, latency in (("10_norm=dyt", 31.0, 0.02), ("2_norm=rms", 30.123, 0.01)):
        means = [mean("s", 25, 20.0, "noisy"), mean("s", 25, psnr), mean("real", None, 35.0)]
        write(folder, run, run.partition("_")[2], average=means, model=MODEL, seconds=99.0,
              training={"seconds": 12.6}, images=images(9.0, latency, latency))  # fmt: skip
    write(folder, "3_norm=none", "norm=none", error="ValueError: a|b\nc")


def test_a_row_a_run_in_order_of_their_numbers(tmp_path):
    sweep(tmp_path)
    first, failed, last = sweep_rows(tmp_path)
    assert [row["run"] for row in (first, failed, last)] == [
        "2_norm=rms", "3_norm=none", "10_norm=dyt",
    ]  # fmt: skip
    assert first == {
        "run": "2_norm=rms", "overrides": ["sigma=25", "norm=rms"],
        "PSNR s 25": 30.123, "SSIM s 25": 0.5, "PSNR real": 35.0, "SSIM real": 0.5,
        **MODEL, "ms an image": 10.0, "training seconds": 12.6,
    }  # fmt: skip
    assert failed == {
        "run": "3_norm=none", "overrides": ["sigma=25", "norm=none"],
        "error": "ValueError: a|b\nc",
    }  # fmt: skip


def test_the_summary_is_sorted_marks_the_best_and_leaves_out_what_all_runs_share(tmp_path):
    sweep(tmp_path)
    best, other, failed = write_summary(tmp_path)
    assert best == {
        "run": "10", "overrides": "norm=dyt", "PSNR s 25": "31.00 (best)",
        "SSIM s 25": "0.5000 (best)", "PSNR real": "35.00 (best)", "SSIM real": "0.5000 (best)",
        "parameters": "1,234,567", "macs": "4.44 G", "macs_size": "256", "ms an image": "20.00",
        "training seconds": "13",
    }  # fmt: skip
    assert other["PSNR s 25"] == "30.12"
    assert other["ms an image"] == "10.00 (best)"
    assert failed["error"] == "ValueError: a\\|b c"
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert len(lines) == 2 + 3
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["overrides"] for row in rows] == ["norm=rms", "norm=none", "norm=dyt"]
    assert rows[2]["macs"] == "4440000000"


def test_the_overrides_of_a_single_run_stay(tmp_path):
    write(tmp_path, 0, error="ValueError: odd")
    assert write_summary(tmp_path)[0]["overrides"] == "sigma=25"


def test_seeds_are_gathered(tmp_path):
    for number, (norm, seed, psnr) in enumerate(
        [("dyt", 0, 30.0), ("dyt", 1, 30.2), ("rms", 0, 29.0), ("dyt", 2, 30.4)]
    ):
        write(tmp_path, f"{number}_x", f"norm={norm}", f"seed={seed}", model=MODEL,
              average=[mean("s", 25, psnr)], training={"seconds": 10.0 + number})  # fmt: skip
    write(tmp_path, "4_x", "norm=dyt", "seed=3", error="ValueError: odd")
    several, one, failed = gather_seeds(sweep_rows(tmp_path))
    assert several["overrides"] == ["sigma=25", "norm=dyt"]
    assert (several["run"], several["seeds"]) == ("0, 1, 3", 3)
    assert several["PSNR s 25"] == pytest.approx(30.2)
    assert several["deviation s 25"] == pytest.approx(0.2)
    # 4.303 is the two-sided 95 % quantile of Student's t with 2 degrees of freedom.
    assert several["95 % interval s 25"] == pytest.approx(4.303 * 0.2 / 3**0.5, abs=1e-4)
    assert several["training seconds"] == pytest.approx((10 + 11 + 13) / 3)
    assert one["overrides"] == ["sigma=25", "norm=rms", "seed=0"]
    assert "deviation s 25" not in one
    assert failed["error"] == "ValueError: odd"
    best, *_ = write_summary(tmp_path)
    assert best["PSNR s 25"] == "30.20 (best)"
    assert best["95 % interval s 25"] == "± 0.50"


def test_half_width_of_two_values():
    assert half_width([1.0, 3.0]) == pytest.approx(12.706, abs=1e-3)


def test_a_score_that_is_not_finite_comes_last(tmp_path):
    write(tmp_path, 0, "norm=rms", average=[mean("s", 25, None)], model=MODEL, seconds=1.0)
    write(tmp_path, 1, "norm=dyt", average=[mean("s", 25, 1.0)], model=MODEL, seconds=1.0)
    first, last = write_summary(tmp_path)
    assert first["PSNR s 25"] == "1.00 (best)"
    assert last["PSNR s 25"] == "nan"
