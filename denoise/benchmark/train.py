"""The training command as a user runs it: time to the first step, and time spent on waiting."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from denoise.benchmark.attention import image, inference, training
from denoise.benchmark.timing import Row, compare

ROOT = Path(__file__).parents[2]
STARTED = "DENOISE_BENCHMARK_STARTED"


class FirstStep(pl.Callback):
    """Tells how long ago the command was started, and ends the process."""

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Print the seconds since the start."""
        print(f"first step after {time.time() - float(os.environ[STARTED]):.3f} s", flush=True)  # noqa: T201
        os._exit(0)


def train(make: Callable[..., nn.Module], rounds: int) -> dict[str, list[Row]]:
    """Measure `python train.py` from outside, and the steps of the tiny model by attention.

    Args:
        make: makes our backbone from words of the command line.
        rounds: turns of each.
    """
    seconds = []
    for _ in range(max(2, rounds // 2)):
        out = _run("+callbacks.first._target_=denoise.benchmark.train.FirstStep")
        seconds.append(float(re.search(r"first step after ([\d.]+) s", out)[1]))
    rows = [{"what": "import, compose, first step: median seconds of "
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
    nets = {word: make(f"attention={word}") for word in ("swin", "neighborhood", "mdta", "none")}
    forms = {name: training(net, x) for name, net in nets.items()}
    steps = compare(forms, rounds=rounds, progress="training steps")
    x = image(256, dim=3)
    forms = {name: inference(net.eval(), x) for name, net in nets.items()}
    runs = compare(forms, rounds=rounds, progress="inference")
    return {
        "python train.py": rows,
        "training step of the tiny model, 4 crops of 48 x 48": steps,
        "inference of the tiny model, 3 x 256 x 256": runs,
    }


def _run(*words: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {STARTED: str(time.time())}
        command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={folder}"]
        command += ["trainer.max_time=null", "pictures=false", *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"train.py failed: {done.stderr[-500:]}")
        return done.stdout


def _profiled(text: str, action: str, missing: float | None = None) -> float:
    """Total seconds of an action in the report of Lightning's simple profiler."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[1].endswith(action):
            return float(cells[4])
    if missing is None:
        raise RuntimeError(f"the profile has no {action}")
    return missing
