"""What a mechanism states about itself: data that tests hold it to and that tiling relies on."""

from dataclasses import dataclass
from typing import Literal

from denoise.receptive_field import Reach


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one mixer.

    Args:
        family: global, sparse global, window, local, channel, gating or none; joined by " + ".
        cost: growth of the multiply-accumulates with the number N of pixels.
        reach: which pixels decide an output pixel; None where that is the whole image, or where
            the result depends on the size of the image, so that no crop gives the same.
        step: a shift of the image by a multiple of this many pixels shifts the output, away from
            borders; None where no shift does.
        flat: whether a constant image stays constant, away from borders.
        quiet: whether a fresh one gives zeros, so that its half of a block begins as the identity.
        export: why torch.export fails with a height and width left open; empty where it works.
    """

    family: str
    cost: Literal["N", "N^1.5", "N^2"]
    reach: Reach | None
    step: int | None
    flat: bool = True
    quiet: bool = True
    export: str = ""
