"""The table that a sweep ends with."""

import csv
import json

import pytest
from runs import QUICK


def test_a_sweep_ends_with_a_table_and_survives_a_failure(command, photos, tmp_path, capfd):
    options = ("trainer.max_steps=1", "trainer.val_check_interval=1", "hydra.sweep.dir=sweep")
    with pytest.raises(SystemExit, match="num_blocks has 4 levels"):
        command("train", "-m", *QUICK, *options, "norm=layernorm,dyt",
                "backbone.num_heads=[1],[1,2,4,8]")  # fmt: skip
    with (tmp_path / "sweep" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"].partition("_")[0] for row in rows] == ["0", "1", "2", "3"]
    assert all(row["run"].split("_", 1)[1].startswith("dim=8,num_blocks=1-1-1-1") for row in rows)
    assert [row["overrides"] for row in rows] == [
        f"norm={norm} backbone.num_heads={heads}"
        for norm in ("layernorm", "dyt") for heads in ("[1]", "[1,2,4,8]")
    ]  # fmt: skip
    assert [bool(row["error"]) for row in rows] == [True, False, True, False]
    for row in (rows[1], rows[3]):
        record = json.loads((tmp_path / "sweep" / row["run"] / "results.json").read_text())
        mean = next(m for m in record["average"] if m["method"] == "restored")
        assert float(row["PSNR folder 25"]) == mean["psnr"]
        assert float(row["SSIM folder 25"]) == mean["ssim"]
        assert int(row["parameters"]) == record["model"]["parameters"]
        assert float(row["training seconds"]) == record["training"]["seconds"]
        assert 0 < record["training"]["seconds"] < record["seconds"]
        assert float(row["ms an image"]) > 0
        assert record["name"].startswith("dim=8,num_blocks=1-1-1-1")
    markdown = (tmp_path / "sweep" / "summary.md").read_text().splitlines()
    assert len(markdown) == 2 + 4
    assert markdown[0].startswith("| run | overrides | ")
    assert len({line.count(" | ") for line in markdown}) == 1
    shown = capfd.readouterr().out
    assert "summary.md" in shown
    assert "num_heads=[1,2,4,8]" in shown
