"""Every example of the docs runs, on little data."""

import os
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
from harness import ROOT
from PIL import Image
from runs import QUICK, plain, save

EXAMPLES = ROOT / "docs/examples"
BRIEF = [o for o in QUICK if "@" not in o and "folder" not in o]
BRIEF += ["trainer.max_steps=2", "trainer.val_check_interval=2", "pictures=false"]


def test_there_are_no_others_and_all_are_short_and_shown():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    tested = {"train_on_folder.py", "compare_attentions.py", "restore_picture.py",
              "export_and_run.py", "own_attention.py", "measure_checkpoint.py",
              "noisy_shots.py"}  # fmt: skip
    assert names == tested
    page = (ROOT / "docs/examples.md").read_text()
    for name in names:
        assert len((EXAMPLES / name).read_text().splitlines()) < 60
        assert f"examples/{name}" in page


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Run an example in this process, in an empty folder; return what it prints."""

    def run(name, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def process(tmp_path):
    """Run an example as a process, in an empty folder; return what it prints."""

    def run(name, *arguments):
        command = [sys.executable, EXAMPLES / name, *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def size(path):
    with Image.open(path) as picture:
        return picture.size


def test_own_attention_learns(example):
    printed = example("own_attention.py", "12")
    noisy, restored = re.findall(r"([\d.]+) dB", printed)
    assert float(restored) > float(noisy)


def test_restored_picture_has_its_size(example, photos, tmp_path):
    save(tmp_path / "a.ckpt", plain())
    printed = example("restore_picture.py", "a.ckpt", "photos/cat.png", "clean.png")
    assert "grey levels" in printed
    assert size(tmp_path / "clean.png") == size(photos / "cat.png")


@pytest.mark.slow
def test_training_on_a_folder(process, photos, tmp_path):
    process("train_on_folder.py", "photos", "photos", "data@test=folder",
            "test.folder.path=photos", *BRIEF)  # fmt: skip
    assert (tmp_path / "outputs/my_photos/checkpoints/best.ckpt").is_file()


@pytest.mark.slow
def test_comparison_prints_every_run(process, photos):
    printed = process("compare_attentions.py", *QUICK, *BRIEF)
    rows = [line for line in printed.splitlines() if line.startswith("{")]
    assert len(rows) == 4
    assert sum("swin" in row for row in rows) == 2


@pytest.mark.slow
def test_measuring_prints_averages(process, photos, tmp_path):
    save(tmp_path / "a.ckpt", plain())
    printed = process("measure_checkpoint.py", "a.ckpt", "photos")
    assert "sigma 50: restored" in printed
    assert (tmp_path / "outputs/measured/report/index.html").is_file()


def test_shots_are_two_of_each_photograph(example, photos, tmp_path):
    example("noisy_shots.py", "shots", "photos=1")
    clean, one, two = (
        np.asarray(Image.open(tmp_path / "shots/photos" / kind / "cat.png")).astype(int)
        for kind in ("clean", "shot1", "shot2")
    )
    assert len(list((tmp_path / "shots").rglob("*.png"))) == 3
    assert np.array_equal(clean, np.asarray(Image.open(photos / "cat.png").convert("RGB")))
    inside = (clean > 90) & (clean < 165)  # clipped nowhere
    first, second = (one - clean)[inside], (two - clean)[inside]
    assert first.std() == pytest.approx(25, rel=0.1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


@pytest.mark.slow
def test_export_runs_without_torch(process, photos, tmp_path):
    save(tmp_path / "a.ckpt", plain())
    process("export_and_run.py", "a.ckpt", "photos/cat.png", "clean.png")
    assert size(tmp_path / "clean.png") == size(photos / "cat.png")
