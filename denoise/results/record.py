"""results.json: what a run measured, with everything needed to trust or repeat it."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "kornia", "scikit-image")
NAME = "results.json"


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Write a record with its environment to the folder's results.json, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(record | {"environment": environment()}, indent=1) + "\n")
    return draft.replace(path)


def environment() -> dict[str, Any]:
    """Describe the software, the revision and the device."""
    return {
        "git": revision(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def revision() -> str | None:
    """Name the git revision of this source, "-dirty" where it has changes; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match=-"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
