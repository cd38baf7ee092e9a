"""Find the checkpoint that a training run continues from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denoise.weights.load import load_checkpoint
from denoise.weights.read import CheckpointError


def find_checkpoint(resume: str | None, config: Mapping[str, Any]) -> str | None:
    """Return the path of the checkpoint to continue from, or None to start anew.

    Args:
        resume: a path, None, or "auto": the newest below outputs/ and multirun/ that a run of the
            same name and backbone wrote, if there is one.
        config: resolved config of the run about to start, in plain containers.

    Raises:
        CheckpointError: if the file is not a checkpoint of this project or holds another backbone.
    """
    if resume is None:
        return None
    if resume != "auto":
        if load_checkpoint(resume)["config"]["backbone"] != config["backbone"]:
            raise CheckpointError(
                f"{resume}: was trained with another backbone, attention, norm or feedforward; "
                "give the same overrides as then"
            )
        return resume
    last = [path for root in ("outputs", "multirun") for path in Path(root).rglob("last.ckpt")]
    for path in sorted(last, key=lambda path: path.stat().st_mtime, reverse=True):
        found = load_checkpoint(path)["config"]
        if all(found[key] == config[key] for key in ("name", "backbone")):
            return str(path)
    return None
