"""Checkpoints are written whole or not at all."""

import errno
import os
import subprocess
import sys
import time

import pytest
import torch
from harness import ROOT

from denoise.training.checkpoint_io import AtomicCheckpointIO, DiskFullError


def test_the_old_checkpoint_stays_where_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": torch.ones(3)}, path)

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskFullError, match=r"last\.ckpt: no space left.*resume=auto"):
        AtomicCheckpointIO().save_checkpoint({"a": torch.zeros(3)}, path)
    assert torch.load(path)["a"].tolist() == [1, 1, 1]
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_other_errors_pass(tmp_path):
    with pytest.raises(AttributeError, match="local object"):
        AtomicCheckpointIO().save_checkpoint({"a": lambda: 0}, tmp_path / "a.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["/dev/shm", None])
def test_a_kill_leaves_a_whole_checkpoint(tmp_path, tmp_path_factory, folder):
    """Wherever the folder for temporary files lies: 6 kills while 8 MB are being written."""
    place = tmp_path if folder is None else tmp_path_factory.mktemp("elsewhere")
    code = (
        "import sys, torch; from denoise.training.checkpoint_io import AtomicCheckpointIO as IO\n"
        "for step in range(10**6):\n"
        "    IO().save_checkpoint({'a': torch.full((2**21,), step)}, sys.argv[1])\n"
        "    print(step, flush=True)"
    )
    path = place / "last.ckpt"
    environment = {**os.environ, "TMPDIR": folder or str(tmp_path), "PYTHONPATH": str(ROOT)}
    for delay in range(6):
        command = [sys.executable, "-c", code, path]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.01 * delay)
            writer.kill()
        values = torch.load(path)["a"]
        assert (values == values[0]).all()
        assert {entry.name for entry in place.iterdir()} <= {"last.ckpt", ".last.ckpt.part"}
