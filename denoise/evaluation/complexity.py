"""What a model costs: parameters and multiply-accumulates."""

import copy

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

SIDE = 256  # of the image that costs are quoted for, as the papers do


def cost(net: nn.Module, channels: int) -> dict[str, int]:
    """Count the parameters, and the multiply-accumulates for an image of SIDE x SIDE pixels."""
    parameters = sum(p.numel() for p in net.parameters())
    return {"parameters": parameters, f"macs {SIDE}x{SIDE}": macs(net, channels, SIDE)}


@torch.no_grad()
def macs(net: nn.Module, channels: int, side: int) -> int:
    """Count multiply-accumulates for one square image, matmuls of attention included.

    Counters that hook modules miss those (Restormer's published 141 GMAC at 256 x 256 are its
    convolutions alone; with attention it takes 155).

    Args:
        net: maps noisy (1, channels, side, side), sigma (1,) to restored.
        channels: of the image.
        side: of the image in pixels.
    """
    # On tensors without content: the plain form of attention, the one whose work the counter knows
    # on every device, would hold a matrix of pixels by pixels.
    net = copy.deepcopy(net).to("meta")
    noisy = torch.empty(1, channels, side, side, device="meta")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(noisy, torch.empty(1, device="meta"))
    return counter.get_total_flops() // 2
