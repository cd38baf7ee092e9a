"""Checkpoints: weights plus the plain config that made them, loaded without trusting the file."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import nn

# What a config inside a file may name: the parts of a network, and nothing that acts.
PARTS = ("denoise.attention.", "denoise.backbone.", "denoise.feedforward.", "denoise.norm.")


class CheckpointError(ValueError):
    """A file that is not a checkpoint of this project, or not one to trust."""


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file without executing anything in it.

    Raises:
        CheckpointError: where the file is missing, broken, unsafe or of another project.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give the path of a .ckpt file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: cannot be read as plain weights ({reason}); "
            "give a checkpoint that train.py wrote"
        ) from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "config"} <= checkpoint.keys():
        raise CheckpointError(
            f"{path}: holds no state_dict with its config; give a checkpoint that train.py wrote"
        )
    return checkpoint


def load_model(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Load a checkpoint into a ready model in evaluation mode, with its resolved config.

    Args:
        path: file written by training; its averaged weights are taken where it has some.

    Raises:
        CheckpointError: where the file is none of this project, or its config names anything but
            parts of a network of this package.
    """
    checkpoint = load_checkpoint(path)
    config = checkpoint["config"]
    try:
        check_targets(config["backbone"])
        net = instantiate(config["backbone"], _convert_="all")
        weights = checkpoint["state_dict"].items()
        net.load_state_dict({name[4:]: w for name, w in weights if name.startswith("net.")})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:
        raise CheckpointError(f"{path}: config and weights make no model: {error}") from error
    return net.eval(), config


def find_checkpoint(resume: str | None, config: Mapping[str, Any]) -> str | None:
    """Find the checkpoint to continue from.

    Args:
        resume: a path, None, or "auto": the newest below outputs/ and multirun/ that a run of the
            same name and backbone wrote, if there is one.
        config: of the run that is about to start, in plain containers.

    Raises:
        CheckpointError: where the file is none of this project or holds another backbone.
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


def check_targets(node: Any) -> None:
    """Refuse a plain config that names any target but parts of a network of this package.

    Raises:
        CheckpointError: naming the target.
    """
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if target is not None and not _is_part(target):
            raise CheckpointError(
                f"its config names {target!r}, which is no part of a network here"
            )
        for value in node.values():
            check_targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            check_targets(value)
    elif isinstance(node, str) and "${" in node:
        raise CheckpointError(f"its config is not resolved: {node!r}")


def _is_part(target: Any) -> bool:
    if not isinstance(target, str) or not target.startswith(PARTS):
        return False
    module, _, name = target.rpartition(".")
    try:
        part = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    # A module's own names only: `denoise.norm.torch.load` must not slip through.
    return getattr(part, "__module__", None) == module
