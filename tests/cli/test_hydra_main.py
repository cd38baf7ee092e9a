"""The entry of every command."""

import json
import logging
import os

import pytest
from runs import QUICK


def test_errors_that_are_ours_keep_their_traceback(command, monkeypatch):
    from denoise.cli import train

    monkeypatch.setattr(train, "DenoisingModule", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("train", "hydra.run.dir=run")


def test_a_traceback_on_demand(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    import importlib

    from denoise.cli import export

    importlib.reload(export)
    with pytest.raises(ValueError, match=r"nothing\.ckpt"):
        command("export", "checkpoint=nothing.ckpt", "output=out")
    assert os.environ["HYDRA_FULL_ERROR"] == "1"
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    importlib.reload(export)
    with pytest.raises(SystemExit, match=r"^error: nothing\.ckpt"):
        command("export", "checkpoint=nothing.ckpt", "output=out")
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_jobs_of_a_sweep_do_not_leak_seeds(command, photos, tmp_path):
    options = ("trainer.max_steps=1", "trainer.val_check_interval=1", "pictures=false")
    command("train", "-m", *QUICK, *options, "norm=dyt,layernorm", "hydra.sweep.dir=sweep")
    command("train", *QUICK, *options, "norm=layernorm", "hydra.run.dir=alone")
    results = [
        json.loads(next(tmp_path.glob(f"{place}/results.json")).read_text())["images"]
        for place in ("sweep/1_*", "alone")
    ]
    for rows in results:
        assert all(row.pop("seconds", 0) >= 0 for row in rows)
    assert results[0] == results[1]


def test_warnings_are_seen_where_hydra_keeps_no_log(command, tmp_path, caplog):
    logger = logging.getLogger("denoise")
    with pytest.raises(SystemExit):
        command("restore", "input=none.png", "output=o.png")
    assert not logger.disabled
    assert logger.isEnabledFor(logging.WARNING)
