"""The table of a sweep, from the results.json of its runs."""

import csv
import json

from denoise.results.sweep import sweep_rows, write_summary

MODEL = {"parameters": 1234567, "macs": 4_440_000_000, "macs_size": 256}


def mean(name, sigma, psnr, method="restored"):
    return {"set": name, "sigma": sigma, "method": method, "images": 2, "psnr": psnr, "ssim": 0.5}


def write(folder, number, *overrides, **content):
    path = folder / str(number) / "results.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"overrides": ["sigma=25", *overrides]} | content))


def sweep(folder):
    for number, psnr in ((10, 31.0), (2, 30.123)):
        means = [mean("s", 25, 20.0, "noisy"), mean("s", 25, psnr), mean("real", None, 35.0)]
        write(folder, number, f"seed={number}", average=means, model=MODEL, seconds=12.6)
    write(folder, 3, "seed=3", error="ValueError: a|b\nc")


def test_a_row_a_run_in_order_of_their_numbers(tmp_path):
    sweep(tmp_path)
    first, failed, last = sweep_rows(tmp_path)
    assert [row["run"] for row in (first, failed, last)] == ["2", "3", "10"]
    assert first == {
        "run": "2", "overrides": ["sigma=25", "seed=2"],
        "PSNR s 25": 30.123, "SSIM s 25": 0.5, "PSNR real": 35.0, "SSIM real": 0.5,
        **MODEL, "seconds": 12.6,
    }  # fmt: skip
    assert failed == {
        "run": "3", "overrides": ["sigma=25", "seed=3"], "error": "ValueError: a|b\nc",
    }  # fmt: skip


def test_the_summary_leaves_out_what_all_runs_share(tmp_path):
    sweep(tmp_path)
    first, failed, last = write_summary(tmp_path)
    assert first == {
        "run": "2", "overrides": "seed=2", "PSNR s 25": "30.12", "SSIM s 25": "0.5000",
        "PSNR real": "35.00", "SSIM real": "0.5000", "parameters": "1,234,567",
        "macs": "4.44 G", "macs_size": "256", "seconds": "13",
    }  # fmt: skip
    assert failed["error"] == "ValueError: a\\|b c"
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert len(lines) == 2 + 3
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["overrides"] for row in rows] == ["seed=2", "seed=3", "seed=10"]
    assert rows[2]["macs"] == "4440000000"
    assert last["PSNR s 25"] == "31.00"


def test_the_overrides_of_a_single_run_stay(tmp_path):
    write(tmp_path, 0, error="ValueError: odd")
    assert write_summary(tmp_path)[0]["overrides"] == "sigma=25"
