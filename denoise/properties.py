"""The contract of every attention: a `Mixer`, and the properties that it states."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from denoise.receptive_field import ReceptiveField


@dataclass(frozen=True, kw_only=True)
class MixerProperties:
    """Properties of one mixer, which the contract tests verify and tiling relies on.

    Args:
        family: global, sparse global, window, local, channel, gating, convolution or none; several
            are joined by " + ".
        complexity: growth of the multiply-accumulates with the number N of pixels.
        receptive_field: which pixels decide an output pixel; None where that is the whole image, or
            where the result depends on the size of the image, so that no crop gives the same.
        shift_period: a shift of the image by a multiple of this many pixels shifts the output, away
            from borders; None where no shift does.
        preserves_constant: whether a constant image stays constant, away from borders.
        zero_init: whether the output is zero at initialisation, so that the residual branch begins
            as the identity.
        export: why torch.export fails with dynamic height and width; empty if it works.
    """

    family: str
    complexity: Literal["N", "N^1.5", "N^2"]
    receptive_field: ReceptiveField | None
    shift_period: int | None
    preserves_constant: bool = True
    zero_init: bool = True
    export: str = ""


class Mixer(nn.Module):
    """Attention of a block: maps (B, C, H, W) to the same shape, at any H and W from 1.

    Built from `(dim, num_heads, block_index, *, own options)`, where `block_index` is the position
    of the block in its level; one that takes `level` is told the level too, 0 for the top. Sets
    `properties` in its constructor.
    """

    properties: MixerProperties


MixerFactory = Callable[..., Mixer]  # of (dim, num_heads, block_index), and level where it takes it


def takes_level(factory: MixerFactory) -> bool:
    """Return whether mixers of a factory are told the level of the network they are in."""
    return "level" in inspect.signature(factory).parameters
