r"""Large kernel attention: each pixel is multiplied by a wide depthwise convolution around it.

.. math::

   a = \operatorname{GELU}(W_1 x), \qquad y = W_3 \big( a \odot W_2 (\operatorname{dw}_{7
   \times 7,\,\text{dilation } 3} * \operatorname{dw}_{5 \times 5} * a) \big)

No softmax and no sigmoid: the two depthwise convolutions, together as wide as 23 x 23, gate the
pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.upcast_conv import UpcastConv2d
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class LargeKernelAttention(Mixer):
    """Attention of the visual attention network (Guo et al. 2023, arXiv 2202.09741).

    Without the paper's inner shortcut, and without its learned scale of the result: the last
    convolution starts at zero instead.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.proj_in = Conv1x1(dim, dim)
        self.near = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.far = UpcastConv2d(dim, dim, 7, padding=9, dilation=3, groups=dim)
        self.point = Conv1x1(dim, dim)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="gating", complexity="N", receptive_field=Radius(2 + 9), shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        x = F.gelu(self.proj_in(x))
        x = x * self.point(self.far(self.near(x)))
        return self.proj(x)
