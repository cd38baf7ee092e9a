"""The package of the page on own parts, in a folder outside the repository, trains and loads."""

import csv
import os
import re
import shlex
import subprocess
import sys

import pytest
from harness import ROOT
from runs import QUICK
from tiny_study import arguments

from denoise.weights.read import CheckpointError

PAGE = (ROOT / "docs" / "own_parts.md").read_text()
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def write_package(folder):
    """Write the files that the page's blocks name, blocks of one file after one another."""
    for text in re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL):
        first, _, content = text.partition("\n")
        path = folder / first.removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{content}\n\n")


def commands():
    return [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
            for line in block.splitlines()]  # fmt: skip


def run(folder, *words):
    command = [sys.executable, "-m", "denoise.cli.main", *words]
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-500:]
    return done.stdout


@pytest.mark.slow
def test_the_package_of_the_page_trains_and_is_evaluated(photos, tmp_path):
    write_package(tmp_path)
    _, *words = shlex.split(commands()[-1])
    data = [word for word in QUICK if not word.startswith(("data@train", "train.folder"))]
    run(tmp_path, *words, *data, "trainer.max_steps=2", "trainer.val_check_interval=2",
        "hydra.run.dir=run", "pictures=false")  # fmt: skip
    (metrics,) = (tmp_path / "run").rglob("metrics.csv")
    with metrics.open(newline="") as file:
        worst = [row["val/worst_pixel"] for row in csv.DictReader(file) if row["val/worst_pixel"]]
    assert float(worst[-1]) > 0
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))
    out = run(tmp_path, "evaluate", "plugins=[./mine]", "checkpoint=run/checkpoints/best.ckpt",
              "data=waves", "noise=stripes", "sigma=25")  # fmt: skip
    assert "average of 3" in out
    assert "seeded" in out


@pytest.mark.slow
def test_a_study_takes_the_attention_of_the_page(photos, tmp_path):
    write_package(tmp_path)
    words = arguments(
        "out", "study.add=[gate]", "plugins=[./mine]", arms="none,conv1x1", steps=(3,)
    )
    out = run(tmp_path, "study", "run", *words)
    assert "A gate, seed 0, rate 1" in out
    assert "3 of 3 runs" in out
    assert "failed" not in out


@pytest.mark.slow
def test_without_the_users_word_nothing_of_it_is_built(photos, tmp_path):
    write_package(tmp_path)
    run(tmp_path, "train", "plugins=[./mine]", "attention=gate", *QUICK, "trainer.max_steps=1",
        "hydra.run.dir=run", "pictures=false", "score=false")  # fmt: skip
    code = "import denoise; denoise.load('run/checkpoints/best.ckpt')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert CheckpointError.__name__ in done.stderr
    assert "allow it: plugins=[mine]" in done.stderr
