"""No attention: the convolutional baseline.

.. math::

   y = x

The block adds nothing for it: norm and attention are left out, the feed-forward remains.
"""

from torch import nn

from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class Identity(nn.Identity, Mixer):
    """Returns its input; a block with it is the feed-forward branch alone.

    Args:
        dim: channels; unused.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.properties = MixerProperties(
            family="none",
            complexity="N",
            receptive_field=Radius(0),
            shift_period=1,
            zero_init=False,
        )
