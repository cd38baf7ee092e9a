"""What a mechanism states about itself: data that tests hold it to and that tiling relies on."""

from dataclasses import dataclass
from typing import Literal

from denoise.receptive_field import ReceptiveField


@dataclass(frozen=True, kw_only=True)
class MixerProperties:
    """The facts of one mixer.

    Args:
        family: global, sparse global, window, local, channel, gating or none; joined by " + ".
        complexity: growth of the multiply-accumulates with the number N of pixels.
        receptive_field: which pixels decide an output pixel; None where that is the whole image, or
            where the result depends on the size of the image, so that no crop gives the same.
        shift_period: a shift of the image by a multiple of this many pixels shifts the output, away
            from borders; None where no shift does.
        preserves_constant: whether a constant image stays constant, away from borders.
        zero_init: whether a fresh one gives zeros, so that its half of a block begins as the
            identity.
        export: why torch.export fails with a height and width left open; empty where it works.
    """

    family: str
    complexity: Literal["N", "N^1.5", "N^2"]
    receptive_field: ReceptiveField | None
    shift_period: int | None
    preserves_constant: bool = True
    zero_init: bool = True
    export: str = ""
