"""Start of a training from the weights of another, and parts of the network that stay fixed."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from torch import nn

from denoise.weights.load import read_state
from denoise.weights.read import CheckpointError

LISTED = 6  # names in a message


def initialize(net: nn.Module, path: str | Path, *, strict: bool = True) -> str:
    """Copy weights into a network by their names; the training starts anew.

    Args:
        net: The network to train.
        path: Whatever `load_model` takes.
        strict: Whether every weight must fit; otherwise those of other names or shapes stay as
            they are.

    Returns:
        A sentence on what was copied and what was not.

    Raises:
        CheckpointError: If the file is refused, a weight does not fit although strict, or none
            does.
    """
    state, own = read_state(path), net.state_dict()
    fitting = {n: w for n, w in state.items() if n in own and w.shape == own[n].shape}
    new = [n for n in own if n not in fitting]
    unused = [n for n in state if n not in fitting]
    if (strict and (new or unused)) or not fitting:
        remedy = (
            "build the same network, or take what fits with init_strict=false"
            if fitting
            else "give weights of a network like this one"
        )
        raise CheckpointError(f"init={path}: {_misfits(new, unused)}: {remedy}")
    net.load_state_dict(fitting, strict=False)
    copied = f"starting from {path}: {len(fitting)} of {len(own)} weights"
    return f"{copied}; {_misfits(new, unused)}" if new or unused else copied


def freeze(net: nn.Module, patterns: Sequence[str]) -> str:
    """Keep the parameters of a network fixed whose names match a pattern such as `encoder.*`.

    Returns:
        A sentence on what is left to train.

    Raises:
        ValueError: If a pattern matches nothing, or everything is frozen.
    """
    named = dict(net.named_parameters())
    for pattern in patterns:
        matching = [parameter for name, parameter in named.items() if fnmatchcase(name, pattern)]
        if not matching:
            parts = ", ".join(dict.fromkeys(name.split(".")[0] for name in named))
            raise ValueError(
                f"freeze={pattern} matches no parameter: give a pattern such as 'encoder.*'; "
                f"the network has {parts}"
            )
        for parameter in matching:
            parameter.requires_grad_(False)
    training = sum(p.numel() for p in named.values() if p.requires_grad)
    total = sum(p.numel() for p in named.values())
    if not training:
        raise ValueError(f"freeze={','.join(patterns)} leaves nothing to train: freeze less")
    return f"training {training:,} of {total:,} parameters"


def _misfits(new: Sequence[str], unused: Sequence[str]) -> str:
    sides = {"not in the file or of another shape": new, "not in the network": unused}
    return "; ".join(
        f"{len(names)} {side} ({', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''})"
        for side, names in sides.items()
        if names
    )
