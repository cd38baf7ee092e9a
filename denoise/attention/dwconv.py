r"""A control for attention: each pixel is multiplied by a depthwise convolution around it.

.. math::

   [g; v] = W_1 x, \qquad y = W_2 \big( v \odot (\operatorname{dw}_{k \times k} * g) \big)

The neighbourhood of a local attention of the same kernel, with weights that do not depend on the
image; the product takes the place of the softmax.
"""

from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.option_checks import check_odd
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class DepthwiseGate(Mixer):
    """Convolutional modulation of Conv2Former (Hou et al. 2022, arXiv 2211.11943).

    Departs from the paper in the GELU after the first projection of the gate, which is left out.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
        kernel_size: odd kernel size k of the depthwise convolution.

    Raises:
        ValueError: for an even kernel_size.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int, *, kernel_size: int = 7) -> None:
        super().__init__()
        check_odd(kernel_size=kernel_size)
        self.proj_in = Conv1x1(dim, 2 * dim)
        self.dwconv = nn.Conv2d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="gating",
            complexity="N",
            receptive_field=Radius(kernel_size // 2),
            shift_period=1,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        gate, value = self.proj_in(x).chunk(2, dim=1)
        return self.proj(value * self.dwconv(gate))
