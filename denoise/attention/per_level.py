"""A different attention on every level of the backbone."""

from collections.abc import Callable

from torch import nn

Mixers = Callable[..., nn.Module]


def per_level(level1: Mixers, level2: Mixers, level3: Mixers, level4: Mixers) -> list[Mixers]:
    """List the mixer makers of the four levels, the finest first."""
    return [level1, level2, level3, level4]
