"""Two mixers in one block, one after the other or side by side."""

import math
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from denoise.option_checks import check_word
from denoise.properties import Facts
from denoise.receptive_field import Around, Both, Chain

Mixers = Callable[..., nn.Module]


class Dual(nn.Module):
    """Spatial and channel attention in one block, as in X-Restormer (Chen et al. 2023, 2310.11881).

    X-Restormer puts a norm and a feed-forward between the two; here they share one norm, and in
    sequence the second sees the input with the first's output added.

    Args:
        dim: channels.
        num_heads: of both mixers.
        index: place of the block in its level, handed to both.
        first: makes a mixer.
        second: makes a mixer.
        order: sequence or parallel.

    Raises:
        ValueError: for another order.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        index: int,
        *,
        first: Mixers,
        second: Mixers,
        order: Literal["sequence", "parallel"] = "sequence",
    ) -> None:
        super().__init__()
        check_word(("sequence", "parallel"), order=order)
        self.order = order
        self.first = first(dim, num_heads, index)
        self.second = second(dim, num_heads, index)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        first, second = self.first.facts, self.second.facts
        reach = None
        if first.reach and second.reach and self.order == "sequence":
            reach = Chain([Both([Around(0), first.reach]), second.reach])
        elif first.reach and second.reach:
            reach = Both([first.reach, second.reach])
        return Facts(
            family=" + ".join(dict.fromkeys([first.family, second.family])),
            cost=max(first.cost, second.cost),  # "N" < "N^1.5" < "N^2"
            reach=reach,
            step=first.step and second.step and math.lcm(first.step, second.step),
            flat=first.flat and second.flat,
            quiet=first.quiet and second.quiet,
            export=first.export or second.export,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        out = self.first(x)
        return out + self.second(x + out if self.order == "sequence" else x)
