"""A full disk ends a command with one line, and what was written before is whole.

Each test mounts a file system of 4 MiB in memory, which only root may: elsewhere it is skipped.
"""

import os
import shutil
import subprocess
import sys
import threading

import pytest
from harness import ROOT
from runs import QUICK

from denoise.weights.load import load_checkpoint

SIZE = 4 * 2**20
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk, left):
    """Leave so many bytes, of as many as are free."""
    free = shutil.disk_usage(disk).free
    with (disk / "fill").open("wb") as file:
        file.write(bytes(max(0, free - left)))


def run(folder, *command):
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def assert_one_line(done):
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert "space" in lines[0]
    assert "free some" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["safetensors", "onnx", "pt2"])
def test_an_export(small_disk, tmp_path, file_format):
    fill(small_disk, 200_000)
    words = "checkpoint=grey", f"output={small_disk}/e", f"format=[{file_format}]"
    assert_one_line(run(tmp_path, "-m", "denoise.cli.export", *words))
    assert list((small_disk / "e").iterdir()) == []


@pytest.mark.slow
def test_a_training_that_cannot_write_its_checkpoint(photos, small_disk, tmp_path):
    fill(small_disk, 400_000)
    done = run(
        tmp_path, ROOT / "train.py", *QUICK, f"hydra.run.dir={small_disk}/run",
        "trainer.max_steps=40", "trainer.val_check_interval=20", "score=false", "pictures=false",
    )  # fmt: skip
    assert_one_line(done)
    assert "no space left to write it; the checkpoint before it is kept" in done.stderr
    checkpoints = small_disk / "run" / "checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == []


@pytest.mark.slow
def test_a_training_whose_disk_is_filled_by_another(photos, small_disk, tmp_path):
    """While TensorBoard's thread and the checkpoints write to it."""
    command = [
        sys.executable, ROOT / "train.py", *QUICK, f"hydra.run.dir={small_disk}/run",
        "trainer.max_steps=100000", "trainer.val_check_interval=20", "pictures=false",
    ]  # fmt: skip
    training = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    best = small_disk / "run" / "checkpoints" / "best.ckpt"
    ended = threading.Event()
    for _ in range(1200):
        if best.is_file() or training.poll() is not None:
            break
        ended.wait(0.1)
    fill(small_disk, 0)
    output, errors = training.communicate(timeout=300)
    assert_one_line(subprocess.CompletedProcess(command, training.returncode, output, errors))
    assert load_checkpoint(best)["global_step"] >= 20
