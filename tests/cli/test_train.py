"""The command that trains: what a run leaves."""

import json

import yaml
from runs import QUICK


def test_a_run_leaves_config_checkpoints_and_results(short_run):
    folder = short_run.folder
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["trainer"]["max_steps"] == 4
    assert "${" not in (folder / "config.yaml").read_text()
    results = json.loads((folder / "results.json").read_text())
    assert results["training"]["steps"] == 4
    assert results["seed"] == 0
    assert "trainer.max_steps=4" in results["overrides"]
    assert set(QUICK) < set(results["overrides"])
    methods = {row["method"] for row in results["average"]}
    assert methods == {"noisy", "restored", "non-local means"}
    for name in ("best.ckpt", "last.ckpt"):
        assert (folder / "checkpoints" / name).is_file()
        assert str(folder / "checkpoints" / "best.ckpt") in short_run.output
    assert {path.name for path in folder.glob("pictures/**/*.png")} == {"cat.png", "cup.png"}


def test_run_dir_is_made(train, tmp_path):
    train("trainer.max_steps=1", "trainer.val_check_interval=1", "run_dir=runs/new folder")
    left = {path.name for path in (tmp_path / "runs/new folder").iterdir()}
    assert left >= {"config.yaml", "checkpoints", "results.json", "pictures"}
