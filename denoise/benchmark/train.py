"""The training command as a user runs it: time to the first step, and time spent on waiting."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from denoise.benchmark.calls import Factory, image, inference, training
from denoise.benchmark.timing import Row, compare

ROOT = Path(__file__).parents[2]  # holds the package


def train(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Measure `denoise train` from outside, and the steps of the tiny model by attention.

    Args:
        make: builds our backbone.
        rounds: timings of each.
    """
    seconds = []
    for _ in range(max(2, rounds // 2)):
        out = _run(
            "+callbacks.first._target_=denoise.training.first_step.ExitAfterFirstStep",
            f"+callbacks.first.started={time.time()}",
        )
        found = re.search(r"first step after ([\d.]+) s", out)
        if found is None:
            raise RuntimeError(f"denoise train took no step: {out[-500:]}")
        seconds.append(float(found[1]))
    rows: list[Row] = [{"what": "import, compose, first step: median seconds of "
             f"{len(seconds)}", "value": sorted(seconds)[len(seconds) // 2]}]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        profiler = "+trainer.profiler"
        _run(
            "trainer.max_steps=300", "trainer.val_check_interval=300",
            f"{profiler}._target_=pytorch_lightning.profilers.SimpleProfiler",
            f"{profiler}.dirpath={folder}", f"{profiler}.filename=profile",
        )  # fmt: skip
        (report,) = Path(folder).glob("*profile*")
        text = report.read_text()
    waiting = _profiled(text, "[_TrainingEpochLoop].train_dataloader_next")
    epoch = _profiled(text, "run_training_epoch") - _profiled(text, "run_validation", missing=0.0)
    rows.append({"what": "share of 300 training steps spent on waiting for data",
                 "value": waiting / epoch})  # fmt: skip

    x = image(48, dim=3, batch=4)
    nets = {
        name: make.backbone(f"attention={name}")
        for name in ("swin", "neighborhood", "mdta", "none")
    }
    variants = {name: training(net, x) for name, net in nets.items()}
    steps = compare(variants, rounds=rounds, progress="training steps")
    x = image(256, dim=3)
    variants = {name: inference(net.eval(), x) for name, net in nets.items()}
    runs = compare(variants, rounds=rounds, progress="inference")
    return {
        "denoise train": rows,
        "training step of the tiny model, 4 crops of 48 x 48": steps,
        "inference of the tiny model, 3 x 256 x 256": runs,
    }


def _run(*overrides: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "denoise.cli.train", f"hydra.run.dir={folder}"]
        command += ["trainer.max_time=null", "pictures=false", *overrides]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"denoise train failed: {done.stderr[-500:]}")
        return done.stdout


def _profiled(text: str, action: str, missing: float | None = None) -> float:
    """Return the total seconds of an action in the report of Lightning's simple profiler."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[1].endswith(action):
            return float(cells[4])
    if missing is None:
        raise RuntimeError(f"the profile has no {action}")
    return missing
