"""results.json: the scores of a run, with its environment and command."""

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch

from denoise.evaluation.complexity import Complexity
from denoise.evaluation.evaluate import Mean, Row
from denoise.plain_text import to_json

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "kornia", "scikit-image")
NAME = "results.json"


class Environment(TypedDict):
    """Software, revision, device and command of a run."""

    git: str | None
    python: str
    packages: dict[str, str]
    device: str
    threads: int
    command: str


class Training(TypedDict):
    """Length and speed of the training, and the PSNR of its best validation in dB."""

    steps: int
    images_per_second: float
    seconds: float
    val_psnr: NotRequired[float]


class Run(TypedDict):
    """A run: its name, overrides of the config, protocol, model, and the seconds it took."""

    name: NotRequired[str]
    overrides: list[str]
    protocol: str
    model: Complexity
    seconds: float
    checkpoint: NotRequired[str]
    seed: NotRequired[int]
    training: NotRequired[Training]


class Results(Run):
    """Content of results.json: a run, its mean scores, those of every image, its environment."""

    average: list[Mean]
    images: list[Row]
    environment: Environment


def write_results(folder: Path, results: Results) -> Path:
    """Write the results of a run to the folder's results.json."""
    return _write(folder, results)


def write_failure(folder: Path, overrides: Sequence[str], error: BaseException) -> Path:
    """Write the error that ended a run to the folder's results.json."""
    message = f"{type(error).__name__}: {error}"
    failure = {"overrides": list(overrides), "error": message, "environment": environment()}
    return _write(folder, failure)


def _write(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write the file completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    draft = path.with_suffix(".tmp")
    draft.write_text(f"{to_json(content)}\n")
    return draft.replace(path)


def environment() -> Environment:
    """Return the software, the revision, the device and the command of this process."""
    return {
        "git": revision(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def revision() -> str | None:
    """Return the git revision of this source, "-dirty" if it has changes; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match=-"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
