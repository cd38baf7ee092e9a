r"""Simplified channel attention: each channel is scaled by a linear map of the image's means.

.. math::

   [a; b] = \operatorname{dw}_{3 \times 3} * W_1 x, \qquad z = a \odot b, \qquad y = W_3 \big(
   z \odot W_2 \operatorname{mean}(z) \big)

The mean runs over the image: every pixel changes the factor of each channel a little.
"""

from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.properties import Mixer, MixerProperties


class SimplifiedChannelAttention(Mixer):
    """Attention branch of NAFNet's block (Chen et al. 2022, arXiv 2204.04676).

    Without norm and shortcut: a product of two depthwise features, scaled channel by channel. In
    place of the paper's learned scale of the whole, the last convolution starts at zero.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.expand = Conv1x1(dim, 2 * dim)
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim)
        self.attend = Conv1x1(dim, dim)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="channel", complexity="N", receptive_field=None, shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        left, right = self.dwconv(self.expand(x)).chunk(2, dim=1)
        x = left * right
        x = x * self.attend(x.mean((2, 3), keepdim=True))
        return self.proj(x)
