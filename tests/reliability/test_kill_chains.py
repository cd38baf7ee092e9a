"""A training that is killed again and again ends as one that nobody touched, bit for bit."""

import os
import random
import subprocess
import sys
import time

import pytest
import torch
from harness import ROOT
from runs import QUICK

from denoise.weights.load import load_checkpoint

STEPS, KILLS, SEED = 60, 3, 0
# DENOISE_KILL_CHAINS=16 runs as many chains on each file system.
CHAINS = int(os.environ.get("DENOISE_KILL_CHAINS", "1"))
OPTIONS = (
    *QUICK, f"trainer.max_steps={STEPS}", "trainer.val_check_interval=5", "pictures=false",
    "score=false", "logger=csv", "attention=swin", "hydra.run.dir=run", "resume=auto",
)  # fmt: skip


def start(folder, temporary):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, ROOT / "train.py", *OPTIONS], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def kill_after_a_checkpoint(run, last, delay):
    """Kill a training a moment after its next checkpoint; return whether it was still running."""
    before = last.stat().st_mtime_ns if last.is_file() else 0
    for _ in range(6000):
        if run.poll() is not None:
            return False
        if last.is_file() and last.stat().st_mtime_ns != before:
            break
        time.sleep(0.01)
    time.sleep(delay)
    run.kill()
    run.communicate()
    return True


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["temporary files beside", "temporary files elsewhere"])
def test_a_chain_of_kills(photos, tmp_path, outputs):
    elsewhere = "/dev/shm" if os.path.isdir("/dev/shm") else tmp_path
    temporary = tmp_path if outputs.endswith("beside") else elsewhere
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "photos").symlink_to(photos)
    whole = start(tmp_path / "whole", temporary)
    output, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, output
    wanted = load_checkpoint(tmp_path / "whole" / "run" / "checkpoints" / "last.ckpt")
    generator = random.Random(SEED)
    for chain in range(CHAINS):
        folder = tmp_path / f"chain{chain}"
        folder.mkdir()
        (folder / "photos").symlink_to(photos)
        last = folder / "run" / "checkpoints" / "last.ckpt"
        kills = 0
        while kills < KILLS:
            kills += kill_after_a_checkpoint(start(folder, temporary), last, generator.random() / 3)
            if load_checkpoint(last)["global_step"] >= STEPS:
                break
        run = start(folder, temporary)
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0 or "steps are spent" in output, output
        assert kills > 0
        found = load_checkpoint(last)
        assert found["global_step"] == STEPS
        for name, weight in wanted["state_dict"].items():
            assert torch.equal(found["state_dict"][name], weight), (chain, name)
        stray = {path.name for path in last.parent.iterdir()} - {"last.ckpt", "best.ckpt"}
        assert stray <= {".last.ckpt.part", ".best.ckpt.part"}
