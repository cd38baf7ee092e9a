"""The mixers of an option of the group attention, for pages and pictures."""

from collections.abc import Callable

import torch
from hydra.utils import instantiate
from torch import nn

from denoise.cli.compose import compose_config


def factories(name: str) -> dict[str, Callable[..., nn.Module]]:
    """Return what makes the mixers of `attention=name`: one, or one a level, by label."""
    made = instantiate(compose_config(f"attention={name}").attention, _convert_="all")
    if callable(made):
        return {"": made}
    return {f"level {i}": factory for i, factory in enumerate(made, 1)}


def randomize(module: nn.Module) -> nn.Module:
    """Draw every parameter, scaled by its number of inputs: fresh mixers give zeros."""
    with torch.no_grad():
        for parameter in module.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.normal_(std=1 / max(2.0, inputs**0.5))
    return module
