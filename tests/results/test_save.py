"""The end of a run: two files and a table."""

import csv
import json

from denoise.evaluation.evaluate import averages
from denoise.results.save import save_results

ROWS = [
    {"set": "s", "sigma": 25, "image": image, "method": method, "psnr": psnr, "ssim": 0.5}
    for image, shift in (("[a]", 0.0), ("b", 1.0))
    for method, psnr in (("noisy", 20.25 + shift), ("restored", 30.5 + shift))
]
RUN = {
    "overrides": ["seed=1"],
    "protocol": "kair",
    "model": {"parameters": 1, "macs": 2, "macs_size": 256},
    "seconds": 3.0,
}


def test_results_are_written_printed_and_returned(tmp_path, capsys):
    artifacts = {"pictures": tmp_path / "pictures", "report": None}
    results = save_results(tmp_path, ROWS, RUN, artifacts)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert {key: results[key] for key in RUN} == RUN
    assert results["average"] == averages(ROWS)
    assert results["images"] == ROWS
    assert results["environment"]["command"]
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["method"], float(row["psnr"])) for row in rows] == [
        (row["image"], row["method"], row["psnr"]) for row in ROWS
    ]
    shown = capsys.readouterr().out
    for text in ("protocol kair", "s, sigma 25", "[a]", "average of 2", "20.75  0.5000"):
        assert text in shown
    assert f"results  {tmp_path}/results.json\n" in shown
    assert f"pictures  {tmp_path}/pictures\n" in shown
    assert "report" not in shown
