"""Runs that start in the same second have folders of their own."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from denoise.cli.run_folder import OwnFolder


def config(folder, *overrides):
    hydra = {"run": {"dir": f"{folder}/now"}, "sweep": {"dir": f"{folder}/now_sweep"},
             "overrides": {"hydra": list(overrides)}}  # fmt: skip
    made = OmegaConf.create({"hydra": hydra})
    OmegaConf.set_readonly(made, True)
    return made


def test_each_run_gets_a_folder(tmp_path):
    found = []
    for _ in range(3):
        one = config(tmp_path)
        OwnFolder().on_run_start(one)
        found.append(Path(one.hydra.run.dir).name)
        assert Path(one.hydra.run.dir).is_dir()
    assert found == ["now", "now-2", "now-3"]


def test_each_sweep_gets_a_folder(tmp_path):
    names = []
    for _ in range(2):
        one = config(tmp_path)
        OwnFolder().on_multirun_start(one)
        names.append(Path(one.hydra.sweep.dir).name)
    assert names == ["now_sweep", "now_sweep-2"]


@pytest.mark.parametrize("override", ["hydra.run.dir=x", "+hydra.run.dir=x"])
def test_a_folder_that_is_named_is_taken(tmp_path, override):
    (tmp_path / "now").mkdir()
    one = config(tmp_path, override)
    OwnFolder().on_run_start(one)
    assert one.hydra.run.dir == f"{tmp_path}/now"
