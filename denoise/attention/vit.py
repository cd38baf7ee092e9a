r"""Patch attention: tokens of p x p pixels attend to all tokens.

.. math::

   t = P x + \operatorname{dw}_{3 \times 3} * P x, \qquad u_a = \sum_b
   \operatorname{softmax}_b(q_a^\top k_b / \sqrt{D}) v_b, \qquad y = U u

:math:`P` maps p x p pixels to one token, :math:`U` maps a token to p x p pixels, each with
weights of its own: a constant image comes out with a grid.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import zero_parameters
from denoise.layers.upcast_conv import UpcastConv2d
from denoise.option_checks import at_level, check_positive
from denoise.properties import Mixer, MixerProperties


class PatchAttention(Mixer):
    """Attention of ViT (Dosovitskiy et al. 2021, arXiv 2010.11929), from pixels and back to them.

    The negative example: each of the p x p positions in a patch is written by weights of its own,
    so that even a constant image comes out with a grid of blocks. Departs from the paper in the
    position, a depthwise convolution of the tokens (Chu et al. 2021, arXiv 2102.10882) that needs
    no image size, and in the output projection, which is the map from tokens to pixels. An image
    that patches do not fill is padded with its last row and column.

    Args:
        dim: channels, of pixels as of tokens.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        patch_size: height and width p of a patch in pixels; a list holds one for each level.
        level: level of the network, 0 for the top, for options that are lists.
        qkv_bias: whether the query, key and value projection has a bias.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        patch_size: int | Sequence[int] = (8, 4, 2, 1),
        level: int = 0,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        (patch_size,) = at_level(level, patch_size=patch_size)
        check_positive(patch_size=patch_size)
        self.num_heads = num_heads
        self.patch_size = patch_size
        self.patch = UpcastConv2d(dim, dim, patch_size, patch_size)
        self.position = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.unpatch = nn.Linear(dim, dim * patch_size**2)
        zero_parameters(self.unpatch)
        self.properties = MixerProperties(
            family="sparse global",
            complexity="N^2",
            receptive_field=None,
            shift_period=patch_size,
            preserves_constant=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        B, C, H, W = x.shape
        p, N = self.patch_size, self.num_heads
        rows, columns = (H + p - 1) // p, (W + p - 1) // p
        padding = (0, columns * p - W, 0, rows * p - H)
        tokens = self.patch(F.pad(x, padding, mode="replicate"))
        tokens = (tokens + self.position(tokens)).permute(0, 2, 3, 1).contiguous()
        qkv = self.qkv(tokens).view(B, rows * columns, 3, N, C // N)
        out = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        out = self.unpatch(out.transpose(1, 2).reshape(B, rows, columns, C))
        out = out.view(B, rows, columns, C, p, p).permute(0, 1, 4, 2, 5, 3)
        out = out.reshape(B, rows * p, columns * p, C)
        # Cropped by padding: a slice would export for sizes that a patch divides or for others.
        return F.pad(out, (0, 0, 0, W - columns * p, 0, H - rows * p)).permute(0, 3, 1, 2)
