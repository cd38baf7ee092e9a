"""Calls to measure: a module forward, forward and backward, or under bfloat16 autocast."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from denoise.properties import Mixer

DIM, HEADS = 48, 2  # of the mixers that are compared: the top level of the paper's model


class Factory(NamedTuple):
    """Builds networks and mixers as the command line does.

    Attributes:
        backbone: called with overrides.
        mixer: called with dim, num_heads and overrides.
        mixers: returns all single mixers, of DIM channels, by the name of their option.
    """

    backbone: Callable[..., nn.Module]
    mixer: Callable[..., Mixer]
    mixers: Callable[[], dict[str, Mixer]]


def image(side: int, dim: int = DIM, batch: int = 1) -> Tensor:
    """Return a random feature map, channels last."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, dim, side, side, generator=generator)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return x.to(device, memory_format=torch.channels_last)


def inference(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Return a call that runs a module forward."""
    module.to(x.device)

    def run() -> Tensor:
        with torch.inference_mode():
            return module(x)

    return run


def training(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Return a call that runs a module forward and backward, to its input and its parameters."""
    module.to(x.device)
    x = x.clone().requires_grad_()

    def run() -> None:
        module.zero_grad()
        x.grad = None
        module(x).sum().backward()

    return run


class Bfloat16Autocast(nn.Module):
    """Runs a network under bfloat16 autocast, on the same weights."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.net(x)
