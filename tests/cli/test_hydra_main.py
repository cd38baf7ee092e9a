"""The command line: what is refused and how, and the table that a sweep ends with."""

import csv
import json
import re

import pytest
from runs import QUICK


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("attention=swim", r"Available options in 'attention':[\s\w]*mdta[\s\w]*none"),
        ("norm=batch", r"Available options in 'norm':[\s\w]*dyt[\s\w]*layernorm"),
        ("attention.size=4", "no option 'attention.size'; attention has: bias"),
        ("sigmas=4", "no option 'sigmas'; the config has: .*sigma, channels"),
        ("trainer.maxsteps=4", "no option 'trainer.maxsteps'; trainer has: .*max_steps, max_time"),
        ("+norm.delta=1", "unexpected keyword argument 'delta'"),
        ("backbone.num_heads=[1,2]", r"num_blocks has 4 levels, num_heads 2"),
        ("data@train=folder", r"train\.folder\.path=\.\.\."),
        ("sigma=-3", "sigma=-3"),
        ("shuffle_channels=no", "shuffle_channels=no is neither true nor false"),
        ("trainer.max_steps=many", "trainer.max_steps=many is not a number"),
        ("sigma=[15,low]", "is not a number"),
        ("data_dir=nowhere data@val=bsd32", "nowhere/bsd32.*fetch_data"),
        ("resume=nothing.ckpt", "nothing.ckpt: no such checkpoint"),
        ("patch=5000", "less than crops of 5000"),
    ],
)
def test_what_is_refused_is_answered_in_a_line(command, word, answer):
    with pytest.raises(SystemExit) as exit_:
        command("train", *word.split(), "hydra.run.dir=run")
    assert exit_.match("^error: ")
    assert re.search(answer, str(exit_.value)), str(exit_.value)


def test_errors_that_are_ours_keep_their_traceback(command, monkeypatch):
    from denoise.cli import train

    monkeypatch.setattr(train, "DenoisingModule", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("train", "hydra.run.dir=run")


def test_a_sweep_ends_with_a_table_and_survives_a_failure(command, photos, tmp_path, capfd):
    options = ("trainer.max_steps=1", "trainer.val_check_interval=1", "hydra.sweep.dir=sweep")
    with pytest.raises(SystemExit, match="num_blocks has 4 levels"):
        command("train", "-m", *QUICK, *options, "norm=layernorm,dyt",
                "backbone.num_heads=[1],[1,2,4,8]")  # fmt: skip
    with (tmp_path / "sweep" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["0", "1", "2", "3"]
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
        assert float(row["seconds"]) > 0
    markdown = (tmp_path / "sweep" / "summary.md").read_text().splitlines()
    assert len(markdown) == 2 + 4
    assert markdown[0].startswith("| run | overrides | ")
    assert len({line.count(" | ") for line in markdown}) == 1
    shown = capfd.readouterr().out
    assert "summary.md" in shown
    assert "num_heads=[1,2,4,8]" in shown


def test_jobs_of_a_sweep_do_not_leak_seeds(command, photos, tmp_path):
    options = ("trainer.max_steps=1", "trainer.val_check_interval=1", "pictures=false")
    command("train", "-m", *QUICK, *options, "norm=dyt,layernorm", "hydra.sweep.dir=sweep")
    command("train", *QUICK, *options, "norm=layernorm", "hydra.run.dir=alone")
    results = [
        json.loads((tmp_path / place / "results.json").read_text())["images"]
        for place in ("sweep/1", "alone")
    ]
    for rows in results:
        assert all(row.pop("seconds", 0) >= 0 for row in rows)
    assert results[0] == results[1]
