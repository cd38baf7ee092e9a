import contextlib
import importlib
import io
import os
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from pictures import save_noise
from PIL import Image
from runs import QUICK

Run = namedtuple("Run", "folder output")


def run_command(monkeypatch, folder, name, *overrides):
    """Run a command of `denoise.cli` in this process and in a folder, as the shell would."""
    module = importlib.import_module(f"denoise.cli.{name}")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *overrides])
    monkeypatch.chdir(folder)
    module.main()


def write_photos(folder):
    """Write two small photographs to a folder of their own."""
    from skimage.data import chelsea, coffee

    (folder / "photos").mkdir()
    for name, image in {"cat": chelsea(), "cup": coffee()}.items():
        Image.fromarray(image[100:140, 100:150]).save(folder / "photos" / f"{name}.png")
    return folder / "photos"


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run a command such as train or evaluate in an empty folder."""

    def run(name, *overrides):
        run_command(monkeypatch, tmp_path, name, *overrides)

    return run


@pytest.fixture
def data_dir():
    """Return the folder with datasets/ and weights/ that are not part of the project."""
    folder = os.environ.get("DENOISE_DATA_DIR")
    if not folder:
        pytest.skip("DENOISE_DATA_DIR is not set: no images or weights to measure on")
    return Path(folder)


@pytest.fixture
def photos(tmp_path):
    """Return a folder of two small photographs."""
    return write_photos(tmp_path)


@pytest.fixture
def train(command, photos, tmp_path):
    """Train a small network on two photographs and return the folder of the run."""

    def run(*overrides, name="run"):
        command("train", *QUICK, *overrides, f"hydra.run.dir={name}")
        return tmp_path / name

    return run


@pytest.fixture(scope="session")
def short_run(tmp_path_factory):
    """Train for four steps with seed 0; tests read the folder and the output of the run."""
    folder = tmp_path_factory.mktemp("short_run")
    write_photos(folder)
    overrides = ("trainer.max_steps=4", "trainer.val_check_interval=2", "baseline=nlm")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        run_command(patch, folder, "train", *QUICK, *overrides, "hydra.run.dir=run")
    return Run(folder / "run", out.getvalue())


@pytest.fixture
def image_folder(tmp_path):
    """Three images, of which one is 16-bit and one of odd size."""
    save_noise(tmp_path / "set" / "img10.png", (7, 5, 3))
    save_noise(tmp_path / "set" / "img2.PNG")
    save_noise(tmp_path / "set" / "deep" / "img1.png", dtype=np.uint16)
    return tmp_path / "set"
