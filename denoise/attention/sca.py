"""Simplified channel attention: each channel is scaled by a linear map of the image's means."""

from torch import Tensor, nn

from denoise.layers.conv1x1 import Pointwise
from denoise.properties import Facts


class SimplifiedChannelAttention(nn.Module):
    """First half of NAFNet's block (Chen et al. 2022, arXiv 2204.04676), without norm and shortcut.

    A product of two depthwise features, scaled channel by channel. In place of the paper's learned
    scale of the whole, the last convolution starts at zero.

    Args:
        dim: channels.
        num_heads: unused.
        index: place of the block in its level; unused.
    """

    def __init__(self, dim: int, num_heads: int, index: int) -> None:
        super().__init__()
        self.expand = Pointwise(dim, 2 * dim)
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim)
        self.attend = Pointwise(dim, dim)
        self.proj = Pointwise(dim, dim, zeros=True)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        return Facts(family="channel", cost="N", reach=None, step=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        left, right = self.dwconv(self.expand(x)).chunk(2, dim=1)
        x = left * right
        x = x * self.attend(x.mean((2, 3), keepdim=True))
        return self.proj(x)
