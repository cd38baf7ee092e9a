"""Checks of a config and its weights before anything is built from them."""

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from denoise.plugins import is_trusted, remedy
from denoise.weights.read import CheckpointError

# Prefixes that a config inside a file may name: parts of a network, nothing that acts.
PARTS = ("denoise.attention.", "denoise.backbone.", "denoise.feedforward.", "denoise.norm.")
MAX_DEPTH, MAX_NODES = 40, 100_000  # of a config
MAX_BUFFER_ELEMENTS = 2**26  # of all buffers of a net together


def build_validated(config: dict[str, Any], state: dict[str, Tensor], size: int) -> nn.Module:
    """Build the net of a config once it is known to be no larger than its weights.

    Args:
        config: of the backbone.
        state: its weights.
        size: of the weights file, in bytes.

    Raises:
        CheckpointError: if the config names anything but parts of a network, or does not match the
            weights.
    """
    check_targets(config)
    if not all(isinstance(w, Tensor) and w.layout is torch.strided for w in state.values()):
        raise CheckpointError("its weights are not plain tensors")
    # An expanded tensor claims more elements than the file stores.
    if sum(w.numel() * w.element_size() for w in state.values()) > size:
        raise CheckpointError("its weights are larger than the file")
    # Modules take time and memory even without weights.
    counts = [*config["num_blocks"], *config["num_blocks"][:-1], config["num_refinement_blocks"]]
    blocks = sum(max(0, count) for count in counts)
    if blocks > len(state):
        raise CheckpointError(f"its config asks for {blocks} blocks of {len(state)} weights")
    with torch.device("meta"):
        draft = instantiate(config, _convert_="all")
    expected = draft.state_dict()
    for name in [*expected, *state]:
        shapes = [tuple(s[name].shape) if name in s else None for s in (expected, state)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"config and weights make no model: {name} is {shapes[0] or 'missing'} in the "
                f"config's and {shapes[1] or 'missing'} in the file"
            )
    if sum(b.numel() for b in draft.buffers()) > MAX_BUFFER_ELEMENTS:
        raise CheckpointError("the buffers of its config exceed the limit")
    net = instantiate(config, _convert_="all")
    net.load_state_dict(state)
    return net


def check_extent(config: Any) -> None:
    """Refuse a config that is deeper or larger than any of a training.

    A pickle can hold one part many times, and so name more than memory holds.

    Raises:
        CheckpointError: if it is.
    """
    level, count = [config], 0
    for _ in range(MAX_DEPTH):
        parts = [node.values() if isinstance(node, Mapping) else node for node in level]
        count += sum(map(len, parts))
        if count > MAX_NODES:
            break
        level = [v for part in parts for v in part if isinstance(v, Mapping | list | tuple)]
        if not level:
            return
    raise CheckpointError("its config is nested too deeply, or has too many parts")


def check_targets(node: Any) -> None:
    """Refuse a plain config that names any target but parts of a network, of a trusted package.

    Raises:
        CheckpointError: naming the target.
    """
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if target is not None and not _is_part(target):
            raise CheckpointError(
                f"its config names {target!r}, which is not a part of a network of this package"
                f"{remedy(str(target))}"
            )
        for value in node.values():
            check_targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            check_targets(value)
    elif isinstance(node, str) and "${" in node:
        raise CheckpointError(f"its config is not resolved: {node!r}")


def _is_part(target: Any) -> bool:
    if not isinstance(target, str) or not (target.startswith(PARTS) or is_trusted(target)):
        return False
    module, _, name = target.rpartition(".")
    try:
        part = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    # A module's own names only: `denoise.norm.torch.load` must not slip through.
    own = str(getattr(part, "__module__", None))
    if is_trusted(target):
        return is_trusted(f"{own}.") and isinstance(part, type) and issubclass(part, nn.Module)
    return own == module
