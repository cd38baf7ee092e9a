r"""Two mixers in one block, one after the other or side by side.

.. math::

   \text{sequence:} \quad y = f(x) + g\big(n(x + f(x))\big), \qquad \text{parallel:} \quad y =
   f(x) + g(x)

:math:`f` and :math:`g` are any two other mixers, as a spatial and a channel attention, :math:`n` is
a norm.
"""

import math
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from denoise.option_checks import check_choice
from denoise.properties import Mixer, MixerFactory, MixerProperties, takes_level
from denoise.receptive_field import Compose, Radius, ReceptiveField, Union


class Dual(Mixer):
    """Spatial and channel attention in one block, as in X-Restormer (Chen et al. 2023, 2310.11881).

    X-Restormer puts a norm and a feed-forward between the two; here in sequence a norm alone. With
    first=swin and second=grid it is MaxViT's pair (Tu et al. 2022, arXiv 2204.01697).

    Args:
        dim: channels.
        num_heads: of both mixers.
        block_index: position of the block in its level, passed to both.
        first: factory of the first mixer.
        second: factory of the second mixer.
        norm: factory of the norm before the second mixer in sequence; None for none.
        order: sequence or parallel.
        level: level of the network, passed to the mixers that take it.

    Raises:
        ValueError: for another order.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        first: MixerFactory,
        second: MixerFactory,
        norm: Callable[[int], nn.Module] | None,
        order: Literal["sequence", "parallel"] = "sequence",
        level: int = 0,
    ) -> None:
        super().__init__()
        check_choice(("sequence", "parallel"), order=order)
        self.order = order
        self.first, self.second = (
            mixer(dim, num_heads, block_index, **({"level": level} if takes_level(mixer) else {}))
            for mixer in (first, second)
        )
        self.norm = norm(dim) if norm and order == "sequence" else nn.Identity()
        one, other = self.first.properties, self.second.properties
        receptive_field: ReceptiveField | None = None
        if one.receptive_field and other.receptive_field and self.order == "sequence":
            receptive_field = Compose(
                [Union([Radius(0), one.receptive_field]), other.receptive_field]
            )
        elif one.receptive_field and other.receptive_field:
            receptive_field = Union([one.receptive_field, other.receptive_field])
        self.properties = MixerProperties(
            family=" + ".join(dict.fromkeys([one.family, other.family])),
            complexity=max(one.complexity, other.complexity),  # "N" < "N^1.5" < "N^2"
            receptive_field=receptive_field,
            shift_period=one.shift_period
            and other.shift_period
            and math.lcm(one.shift_period, other.shift_period),
            preserves_constant=one.preserves_constant and other.preserves_constant,
            zero_init=one.zero_init and other.zero_init,
            export=one.export or other.export,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        out = self.first(x)
        return out + self.second(self.norm(x + out) if self.order == "sequence" else x)
