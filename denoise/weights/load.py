"""Loading of models from checkpoints, exported folders and weights of other projects."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoise.errors import first_line
from denoise.weights.external import ExternalModel
from denoise.weights.migrate import migrate
from denoise.weights.published_restormer import is_published, published_model
from denoise.weights.read import CheckpointError, read_weights
from denoise.weights.released import find_model
from denoise.weights.validate import build_validated, check_extent

CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of an exported folder

State = dict[str, Tensor]
Config = dict[str, Any]


class ForeignError(CheckpointError):
    """A valid weights file of another project."""


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of denoise train without executing anything in it.

    Raises:
        CheckpointError: if the file is missing, damaged, unsafe or of another project.
    """
    contents = read_weights(path)
    if not _is_checkpoint(contents):
        raise ForeignError(
            f"{path}: holds no state_dict with its config; give a checkpoint of denoise train"
        )
    return contents | {"config": _migrate(contents["config"], path)}


def load_model(path: str | Path) -> tuple[nn.Module, Config]:
    """Load a model of this project, or a published Restormer, in evaluation mode with its config.

    Args:
        path: a checkpoint of denoise train, with its averaged weights if it has any; an exported
            folder or its model.safetensors; weights as Restormer's authors publish them; the name
            of a released model.

    Raises:
        CheckpointError: if the file is none of these, its config names anything but parts of a
            network of this package, or the config and the weights are of different networks.
    """
    path = find_model(path)
    state, config = _read_model(path)
    try:
        file = path / WEIGHTS if path.is_dir() else path
        net = build_validated(config["backbone"], state, file.stat().st_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:
        cause: BaseException = error  # Hydra only says which target failed
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise CheckpointError(
            f"{path}: config and weights make no model: {first_line(cause)}"
        ) from error
    return net.eval(), config


def read_state(path: str | Path) -> State:
    """Read the weights of a model that `load_model` takes, named as in its net.

    Raises:
        CheckpointError: if the file is missing, damaged, unsafe or of another network.
    """
    state, _ = _read_model(find_model(path))
    if not all(isinstance(w, Tensor) and w.layout is torch.strided for w in state.values()):
        raise CheckpointError(f"{path}: its weights are not plain tensors")
    return state


def open_model(path: str | Path) -> tuple[nn.Module, Config]:
    """Load any model: as `load_model`, else one of another project that spandrel recognises.

    Returns:
        The net, called with noisy (B, C, H, W) and sigma (B,); and its config, which for an
        external model holds only in_channels, out_channels and sigma_map under "backbone".

    Raises:
        CheckpointError: if the file is not recognised or not safe to load.
    """
    try:
        return load_model(path)
    except ForeignError:
        model = ExternalModel(path).eval()
    backbone = {"in_channels": model.channels, "out_channels": model.out_channels}
    return model, {"backbone": backbone | {"sigma_map": False}}


def _is_checkpoint(contents: Any) -> bool:
    return isinstance(contents, dict) and all(
        isinstance(contents.get(key), dict) for key in ("state_dict", "config")
    )


def _migrate(config: Config, path: str | Path) -> Config:
    try:
        check_extent(config)
        return migrate(config)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_model(path: Path) -> tuple[State, Config]:
    """Read weights, named as in the net, and the config beside them."""
    weights = path / WEIGHTS if path.is_dir() else path
    contents = read_weights(weights)
    beside = weights.with_name(CONFIG)
    if weights.suffix == ".safetensors" and beside.is_file():
        try:
            config = json.loads(beside.read_text())
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{beside}: not valid JSON: {first_line(error)}") from error
        if isinstance(config, dict) and "backbone" in config:
            if config.get("sha256", digest := _sha256(weights)) != digest:
                raise CheckpointError(
                    f"{weights}: is not the file that its config.json was written with, or is "
                    "damaged: export, download or install it again"
                )
            return contents, _migrate(config, beside)
    elif _is_checkpoint(contents):
        named = contents["state_dict"].items()
        state = {name[4:]: w for name, w in named if name.startswith("net.")}
        return state, _migrate(contents["config"], path)
    if is_published(contents):
        try:
            return published_model(contents)
        except Exception as error:
            raise CheckpointError(
                f"{path}: not a complete Restormer: {first_line(error)}"
            ) from error
    raise ForeignError(
        f"{path}: holds no state_dict with its config, and is not a published Restormer; give a "
        "checkpoint of denoise train or an exported folder"
    )
