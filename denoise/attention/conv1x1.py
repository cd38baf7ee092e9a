r"""A control for attention: one 1 x 1 convolution, nothing else.

.. math::

   y = W x

Every attention ends with a projection of the channels, which `none` lacks. What an attention gains
over this control is not due to that projection.
"""

from torch import Tensor

from denoise.layers.conv1x1 import Conv1x1
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class PointwiseConvolution(Mixer):
    """The output projection of an attention, without the attention.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="convolution", complexity="N", receptive_field=Radius(0), shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        return self.proj(x)
