import importlib
import os
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run train.py or evaluate.py in this process, in an empty folder, as the shell would."""

    def run(script, *words):
        module = importlib.import_module(f"denoise.cli.{script}")
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *words])
        monkeypatch.chdir(tmp_path)
        module.main()

    return run


@pytest.fixture
def data_dir():
    """Folder with datasets/ and weights/ that are not part of the project."""
    place = os.environ.get("DENOISE_DATA_DIR")
    if not place:
        pytest.skip("DENOISE_DATA_DIR is not set: no images or weights to measure on")
    return Path(place)


@pytest.fixture
def photos(tmp_path):
    """Two small photographs in a folder of their own."""
    from skimage.data import chelsea, coffee

    (tmp_path / "photos").mkdir()
    for name, image in {"cat": chelsea(), "cup": coffee()}.items():
        Image.fromarray(image[100:140, 100:150]).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"
