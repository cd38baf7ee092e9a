"""Resuming: the checkpoint is found again, another backbone is refused."""

import os

import pytest
from runs import plain, save

from denoise.training.resume import find_checkpoint
from denoise.weights.load import load_checkpoint
from denoise.weights.read import CheckpointError


def test_auto_finds_the_newest_of_the_same_name_and_backbone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine, other = plain("name=mine"), plain("name=other")
    assert find_checkpoint(None, mine) is None
    assert find_checkpoint("auto", mine) is None
    for age, (place, resolved) in enumerate(
        [
            ("multirun/d/t/1", other),
            ("outputs/d/t3", plain("name=mine", "attention=swin")),
            ("outputs/d/t2", mine),
            ("outputs/d/t1", mine),
        ]
    ):
        path = tmp_path / place / "checkpoints" / "last.ckpt"
        save(path, resolved)
        os.utime(path, (10**9 - age, 10**9 - age))
    assert find_checkpoint("auto", mine) == "outputs/d/t2/checkpoints/last.ckpt"
    assert find_checkpoint("auto", other) == "multirun/d/t/1/checkpoints/last.ckpt"


def test_resume_refuses_another_backbone(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    path = str(tmp_path / "a.ckpt")
    assert find_checkpoint(path, plain("name=another")) == path
    assert load_checkpoint(path)["config"]["name"] == "default"
    with pytest.raises(CheckpointError, match="trained with another backbone"):
        find_checkpoint(path, plain("norm=dyt"))
