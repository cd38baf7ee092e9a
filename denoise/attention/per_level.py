"""A different attention on every level of the backbone.

A composition, without a formula of its own: the full resolution of the U-Net may attend locally,
where pixels are many, and the lowest one globally, where they are few.
"""

from denoise.properties import MixerFactory


def per_level(
    level1: MixerFactory, level2: MixerFactory, level3: MixerFactory, level4: MixerFactory
) -> list[MixerFactory]:
    """List the mixer factories of the four levels, the finest first."""
    return [level1, level2, level3, level4]
