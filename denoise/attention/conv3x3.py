r"""A control for attention: a small convolutional branch.

.. math::

   y = W_2 \operatorname{GELU}(\operatorname{dw}_{3 \times 3} * W_1 x)

Two projections of the channels and a depthwise convolution between them, as many attentions have
beside what gives them their names.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class DepthwiseSeparableConvolution(Mixer):
    """Projection, depthwise 3 x 3 convolution, GELU, projection.

    The order of the layers is that of the inverted residual (Sandler et al. 2018, arXiv
    1801.04381), without its expansion and its batch norms.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.proj_in = Conv1x1(dim, dim)
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="convolution", complexity="N", receptive_field=Radius(1), shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        return self.proj(F.gelu(self.dwconv(self.proj_in(x))))
