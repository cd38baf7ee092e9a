"""Complexity of a model: parameters and multiply-accumulates."""

import copy
from typing import TypedDict

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

MACS_SIZE = 256  # height and width of the image that papers state MACs for


class Complexity(TypedDict):
    """Parameters, and multiply-accumulates for an image of macs_size x macs_size pixels."""

    parameters: int
    macs: int
    macs_size: int


def model_complexity(net: nn.Module, channels: int) -> Complexity:
    """Count the parameters and the multiply-accumulates of a model.

    Args:
        net: Maps noisy (B, channels, H, W) and sigma (B,) to restored.
        channels: Channels of the image.
    """
    parameters = sum(p.numel() for p in net.parameters())
    return Complexity(
        parameters=parameters, macs=macs(net, channels, MACS_SIZE), macs_size=MACS_SIZE
    )


@torch.no_grad()
def macs(net: nn.Module, channels: int, size: int) -> int:
    """Count the multiply-accumulates for one square image, matmuls of attention included.

    Counters that hook modules miss those (Restormer's published 141 GMAC at 256 x 256 are its
    convolutions alone; with attention it takes 155).

    Args:
        net: Maps noisy (1, channels, size, size) and sigma (1,) to restored.
        channels: Channels of the image.
        size: Height and width of the image in pixels.
    """
    # On meta tensors: the math backend of attention, the only one that is counted on every device,
    # would allocate a matrix of pixels by pixels.
    net = copy.deepcopy(net).to("meta")
    noisy = torch.empty(1, channels, size, size, device="meta")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(noisy, torch.empty(1, device="meta"))
    return counter.get_total_flops() // 2
