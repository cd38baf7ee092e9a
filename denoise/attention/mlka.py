r"""Multi-scale large kernel attention: wide convolutions of three sizes gate the pixels.

.. math::

   [g; v] = W_1 x, \qquad y = W_2 \Big( v \odot \big[ W_s(\operatorname{dw}_{\text{far}, s} *
   \operatorname{dw}_{\text{near}, s} * g_s) \odot (\operatorname{dw}_{\text{near}, s} * g_s)
   \big]_{s = 1, 2, 3} \Big)

Each scale :math:`s` has a third of the channels :math:`g_s` and kernels of its own: 3 and 5 with
dilation 2, 5 and 7 with dilation 3, 7 and 9 with dilation 4.
"""

import torch
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.upcast_conv import UpcastConv2d
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius

KERNELS = [(3, 5, 2), (5, 7, 3), (7, 9, 4)]  # near kernel, far kernel and its dilation


class MultiScaleLargeKernelAttention(Mixer):
    """Attention of MAN (Wang et al. 2024, arXiv 2209.14145), without norm and shortcut.

    Each third of the channels has kernels of one scale; a remainder goes to the widest, where the
    official code raises an error. In place of the paper's learned scale of the whole, the
    last convolution starts at zero.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        third = dim // 3
        self.widths = widths = [third, third, dim - 2 * third] if third else [dim]
        kernels = KERNELS[-len(widths) :]
        self.proj_in = Conv1x1(dim, 2 * dim)
        self.branches = nn.ModuleList(
            _Branch(width, *kernel) for width, kernel in zip(widths, kernels, strict=True)
        )
        self.proj = Conv1x1(dim, dim, zero_init=True)
        near, far, dilation = KERNELS[-1]
        receptive_field = Radius(near // 2 + far // 2 * dilation)
        self.properties = MixerProperties(
            family="gating", complexity="N", receptive_field=receptive_field, shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        gate, value = self.proj_in(x).chunk(2, dim=1)
        groups = gate.split(self.widths, dim=1)
        gates = [branch(group) for branch, group in zip(self.branches, groups, strict=True)]
        return self.proj(value * torch.cat(gates, dim=1))


class _Branch(nn.Module):
    """Gate of one scale: a wide convolution times a narrow one, of the same features."""

    def __init__(self, width: int, near: int, far: int, dilation: int) -> None:
        super().__init__()

        def depthwise(kernel: int, dilation: int = 1) -> UpcastConv2d:
            return UpcastConv2d(
                width,
                width,
                kernel,
                padding=kernel // 2 * dilation,
                dilation=dilation,
                groups=width,
            )

        self.near, self.far = depthwise(near), depthwise(far, dilation)
        self.point = Conv1x1(width, width)
        self.gate = depthwise(near)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of (B, C, H, W)."""
        return self.point(self.far(self.near(x))) * self.gate(x)
