"""The command that trains: what a run leaves."""

import json

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image
from runs import QUICK

import denoise


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


def test_pairs_are_measured_as_pairs_and_own_noise_by_its_draws(command, photos, tmp_path):
    """Without a word on the protocol, in validation and test."""
    clean = photos
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    for path in clean.iterdir():
        pixels = np.asarray(Image.open(path)).astype(float)
        pixels += np.random.default_rng(0).normal(0, 12, pixels.shape)
        Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(noisy / path.name)
    words = [word for word in QUICK if ".folder." not in word and "data@" not in word]
    for name in ("train", "val", "test"):
        words += [f"data@{name}=pairs", f"{name}.pairs.noisy=noisy", f"{name}.pairs.clean=photos"]
    command("train", *words, "trainer.max_steps=1", "hydra.run.dir=run", "pictures=false")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["protocol"] == "real"
    (mean,) = (mean for mean in results["average"] if mean["method"] == "noisy")
    assert mean["psnr"] == pytest.approx(26.6, abs=0.5)  # 20 log10(255 / 12)
    command("evaluate", "checkpoint=run/checkpoints/best.ckpt", "data=pairs",
            "data.pairs.noisy=noisy", "data.pairs.clean=photos", "hydra.run.dir=again")  # fmt: skip
    again = json.loads((tmp_path / "again" / "results.json").read_text())
    assert again["protocol"] == "real"
    assert [m["psnr"] for m in again["average"]] == [m["psnr"] for m in results["average"]]


@pytest.mark.parametrize("channels", [2, 5])
def test_any_number_of_channels_and_a_range_from_training_to_restoring(
    command, tmp_path, channels, capfd
):
    values = np.random.default_rng(0).integers(-1000, 3000, (5, 48, 52, channels)).astype("f4")
    (tmp_path / "set").mkdir()
    for number, image in enumerate(values):
        tifffile.imwrite(
            tmp_path / f"set/{number}.tif", image, photometric="minisblack", planarconfig="contig"
        )
    command(
        "train", *QUICK[:8], f"channels={channels}", "range=[-1024,3071]", "experiment=folder",
        "train.folder.path=set", "trainer.max_steps=2", "patch=16", "hydra.run.dir=run",
    )  # fmt: skip
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert np.isfinite([row["psnr"] for row in results["images"]]).all()
    checkpoint = "checkpoint=run/checkpoints/best.ckpt"
    command("restore", checkpoint, "input=set/0.tif", "output=clean.tif")
    clean = tifffile.imread(tmp_path / "clean.tif")
    assert (clean.dtype, clean.shape) == (values.dtype, values[0].shape)
    assert np.corrcoef(clean.ravel(), values[0].ravel())[0, 1] > 0.5
    command("restore", checkpoint, "input=set/0.tif", "output=same.tif", "strength=0")
    np.testing.assert_allclose(tifffile.imread(tmp_path / "same.tif"), values[0], atol=1e-3)
    model = denoise.load(tmp_path / "run/checkpoints/best.ckpt")
    np.testing.assert_allclose(model(values[0]), clean, atol=0.05)
    command(
        "evaluate", checkpoint, "data=folder", "data.folder.path=set", "report=true",
        "pictures=true", "memory=4GiB", "hydra.run.dir=scores",
    )  # fmt: skip
    assert list((tmp_path / "scores/pictures").rglob("*.png"))
    command("export", checkpoint, "output=exported", "format=[safetensors,pt2]")
    assert denoise.load(tmp_path / "exported").range == (-1024, 3071)
