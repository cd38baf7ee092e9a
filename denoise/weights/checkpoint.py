"""Checkpoints: weights plus the plain config that made them, loaded without trusting the file."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from denoise.weights.external import ExternalModel, read_weights
from denoise.weights.published_restormer import is_official, official_model

# What a config inside a file may name: the parts of a network, and nothing that acts.
PARTS = ("denoise.attention.", "denoise.backbone.", "denoise.feedforward.", "denoise.norm.")
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of an exported folder
MOST_BUFFERS = 2**26  # numbers that a net may hold beside its weights

State = dict[str, Tensor]
Config = dict[str, Any]


class CheckpointError(ValueError):
    """A file that is not a checkpoint of this project, or not one to trust."""


class ForeignError(CheckpointError):
    """A file of weights that is plain and whole, but of another project."""


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of train.py without executing anything in it.

    Raises:
        CheckpointError: where the file is missing, broken, unsafe or of another project.
    """
    contents = _read(Path(path))
    if not _is_ours(contents):
        raise ForeignError(
            f"{path}: holds no state_dict with its config; give a checkpoint that train.py wrote"
        )
    return contents


def load_model(path: str | Path) -> tuple[nn.Module, Config]:
    """Load a model of this project, or a published Restormer, in evaluation mode with its config.

    Args:
        path: .ckpt of train.py, its averaged weights taken where it has some; folder of
            scripts/export.py or its model.safetensors; weights as the Restormer's authors publish.

    Raises:
        CheckpointError: where the file is none of these, its config names anything but parts of a
            network of this package, or asks for another network than the weights are of.
    """
    path = Path(path)
    state, config = _recognise(path)
    try:
        file = path / WEIGHTS if path.is_dir() else path
        net = _build(config["backbone"], state, file.stat().st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:
        raise CheckpointError(
            f"{path}: config and weights make no model: {first_line(error)}"
        ) from error
    return net.eval(), config


def open_model(path: str | Path) -> tuple[nn.Module, Config]:
    """Load any model: as `load_model`, else one of another project that spandrel recognises.

    Returns:
        The net, called with noisy (B, C, H, W) and sigma (B,); and its config, of which a peer has
        only in_channels, out_channels and sigma_map under "backbone".

    Raises:
        ValueError: where nobody knows the file, or it is not to trust.
    """
    try:
        return load_model(path)
    except ForeignError:
        peer = ExternalModel(path).eval()
    backbone = {"in_channels": peer.channels, "out_channels": peer.out_channels}
    return peer, {"backbone": backbone | {"sigma_map": False}}


def _read(path: Path) -> Any:
    try:
        return read_weights(path)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _is_ours(contents: Any) -> bool:
    return isinstance(contents, dict) and all(
        isinstance(contents.get(key), dict) for key in ("state_dict", "config")
    )


def _recognise(path: Path) -> tuple[State, Config]:
    """Read weights, named as in the net, and the config beside them."""
    weights = path / WEIGHTS if path.is_dir() else path
    contents = _read(weights)
    beside = weights.with_name(CONFIG)
    if weights.suffix == ".safetensors" and beside.is_file():
        try:
            config = json.loads(beside.read_text())
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{beside}: is no JSON: {first_line(error)}") from error
        if isinstance(config, dict) and "backbone" in config:
            return contents, config
    elif _is_ours(contents):
        named = contents["state_dict"].items()
        return {name[4:]: w for name, w in named if name.startswith("net.")}, contents["config"]
    if is_official(contents):
        try:
            return official_model(contents)
        except Exception as error:
            raise CheckpointError(f"{path}: is no whole Restormer: {first_line(error)}") from error
    raise ForeignError(
        f"{path}: holds no state_dict with its config, and is no published Restormer; give a "
        "checkpoint of train.py or a folder of scripts/export.py"
    )


def _build(config: Config, state: State, size: int) -> nn.Module:
    """Make the net of a config, once it is known to be no larger than the weights at hand.

    Args:
        config: of the backbone.
        state: its weights.
        size: bytes of their file.
    """
    check_targets(config)
    if not all(isinstance(w, Tensor) and w.layout is torch.strided for w in state.values()):
        raise CheckpointError("its weights are no plain tensors")
    # An expanded tensor of the file claims more than is stored.
    if sum(w.numel() * w.element_size() for w in state.values()) > size:
        raise CheckpointError("its weights are larger than the file")
    # Modules take time and memory even without weights.
    counts = [*config["num_blocks"], *config["num_blocks"][:-1], config["num_refinement_blocks"]]
    blocks = sum(max(0, count) for count in counts)
    if blocks > len(state):
        raise CheckpointError(f"its config asks for {blocks} blocks of {len(state)} weights")
    with torch.device("meta"):
        draft = instantiate(config, _convert_="all")
    wanted = draft.state_dict()
    for name in [*wanted, *state]:
        shapes = [tuple(s[name].shape) if name in s else None for s in (wanted, state)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"config and weights make no model: {name} is {shapes[0] or 'missing'} in the "
                f"config's and {shapes[1] or 'missing'} in the file"
            )
    if sum(b.numel() for b in draft.buffers()) > MOST_BUFFERS:
        raise CheckpointError("its config asks for tables beyond all measure")
    net = instantiate(config, _convert_="all")
    net.load_state_dict(state)
    return net


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


def first_line(error: Exception) -> str:
    """Give the first line of an error's message, its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
