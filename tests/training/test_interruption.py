"""A signal ends a run with a checkpoint, one line and the status of the signal."""

import os
import signal
import subprocess
import sys

import pytest
from harness import ROOT
from runs import QUICK

from denoise.weights.load import load_checkpoint

LONG = ("trainer.max_steps=100000", "trainer.val_check_interval=100000", "pictures=false")


def start(folder, *overrides):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "train.py", *QUICK, "logger=csv", *overrides]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for_steps(folder, run):
    """Wait until the log of the first steps is written."""
    for _ in range(1200):
        if list(folder.rglob("metrics.csv")) or run.poll() is not None:
            return
        try:
            run.wait(0.1)
        except subprocess.TimeoutExpired:
            continue


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_signal_is_answered(photos, tmp_path, number, status):
    run = start(tmp_path, *LONG, "hydra.run.dir=run", "+logger.csv.flush_logs_every_n_steps=1")
    wait_for_steps(tmp_path, run)
    run.send_signal(number)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == status, output
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    steps = load_checkpoint(last)["global_step"]
    assert steps > 0
    line = next(line for line in output.splitlines() if line.startswith("stopped by"))
    assert f"{number.name} after step {steps}" in line
    assert f"resume={last}" in output.replace("\n", "")
    assert "Traceback" not in output
    again = start(
        tmp_path, *LONG, "hydra.run.dir=run", "resume=auto", f"trainer.max_steps={steps + 1}",
        "trainer.val_check_interval=1",
    )  # fmt: skip
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert f"at step {steps}" in output.replace("\n", " ")


@pytest.mark.slow
def test_two_processes_end_alike(photos, tmp_path):
    run = start(
        tmp_path, *LONG, "hydra.run.dir=run", "+logger.csv.flush_logs_every_n_steps=1",
        "trainer.devices=2", "+trainer.strategy=ddp",
    )  # fmt: skip
    wait_for_steps(tmp_path, run)
    run.send_signal(signal.SIGTERM)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 143, output
    assert "Traceback" not in output
    assert output.count("stopped by SIGTERM") == 1
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] > 0
    folders = {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert folders <= {".hydra", "checkpoints", "csv"}
