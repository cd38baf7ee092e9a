"""Padding by reflection, at any size and as torch.export needs it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend (B, C, H, W) at the bottom and the right to multiples of `multiple` pixels.

    The image is reflected, and then its last row or column repeated where it is too small.
    """
    for axis in (2, 3):
        length = x.shape[axis]
        # The exporter can reason about a rounded-up quotient, not about -length % multiple.
        index = torch.arange((length + multiple - 1) // multiple * multiple, device=x.device)
        x = x.index_select(axis, (length - 1 - (length - 1 - index).abs()).clamp_min(0))
    return x


def reflect_pad(x: Tensor, radius: int) -> Tensor:
    """Pad (B, C, H, W) on all sides by reflection, or by repetition where an axis is too short."""
    for axis, widths in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        x = F.pad(x, widths, "reflect" if x.shape[axis] > radius else "replicate")
    return x
