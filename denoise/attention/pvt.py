r"""Spatial-reduction attention: pixels attend to a coarse grid of tokens.

.. math::

   z = \operatorname{LN}(\operatorname{conv}_{R \times R,\,\text{stride } R} * x), \qquad y_i =
   \sum_{t} \operatorname{softmax}_t(q_i^\top k(z_t) / \sqrt{D}) v(z_t)

One key stands for R x R pixels; their number still grows with the image, so cost is quadratic in
pixels.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import zero_parameters
from denoise.layers.upcast_conv import UpcastConv2d
from denoise.option_checks import at_level, check_positive
from denoise.properties import Mixer, MixerProperties

GRID = 7  # tokens per axis of the linear variant


class SpatialReductionAttention(Mixer):
    """Attention of PVT (Wang et al. 2021, arXiv 2102.12122), or of PVTv2 (2022, arXiv 2106.13797).

    Departs from the official code where an image is not a multiple of the reduction: that drops the
    remainder from the keys and fails on smaller images; here the last row and column are repeated.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        sr_ratio: height and width in pixels of the patches that become one key; 1 for none; a list
            holds one for each level.
        level: level of the network, 0 for the top, for options that are lists.
        linear: PVTv2's variant: 7 x 7 keys, each the mean of a region, whatever the image's size.
        qkv_bias: whether the query, key and value projections have a bias.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        sr_ratio: int | Sequence[int] = (8, 4, 2, 1),
        level: int = 0,
        linear: bool = False,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        (sr_ratio,) = at_level(level, sr_ratio=sr_ratio)
        check_positive(sr_ratio=sr_ratio)
        self.num_heads = num_heads
        self.sr_ratio = sr_ratio
        self.linear = linear
        self.q = nn.Linear(dim, dim, bias=qkv_bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        zero_parameters(self.proj)
        if linear or sr_ratio > 1:
            kernel = 1 if linear else sr_ratio
            self.sr = UpcastConv2d(dim, dim, kernel, kernel)
            self.norm = nn.LayerNorm(dim)
        self.properties = MixerProperties(
            family="sparse global" if linear or sr_ratio > 1 else "global",
            complexity="N" if linear else "N^2",
            receptive_field=None,
            shift_period=None if linear else sr_ratio,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        B, C, H, W = x.shape
        pixels = x.permute(0, 2, 3, 1).contiguous()
        q = self._heads(self.q(pixels))
        k, v = self.kv(self._reduce(x, pixels)).chunk(2, dim=-1)
        out = F.scaled_dot_product_attention(q, self._heads(k), self._heads(v))
        out = out.transpose(1, 2).reshape(B, H, W, C)
        return self.proj(out).permute(0, 3, 1, 2)

    def _reduce(self, x: Tensor, pixels: Tensor) -> Tensor:
        """Return the tokens (B, h, w, C) that keys and values are projected from."""
        H, W = x.shape[2:]
        R = self.sr_ratio
        if self.linear:
            x = self.sr(F.adaptive_avg_pool2d(x, GRID)).permute(0, 2, 3, 1)
            return F.gelu(self.norm(x))
        if R == 1:
            return pixels
        padding = (0, (W + R - 1) // R * R - W, 0, (H + R - 1) // R * R - H)
        x = self.sr(F.pad(x, padding, mode="replicate"))
        return self.norm(x.permute(0, 2, 3, 1))

    def _heads(self, x: Tensor) -> Tensor:
        """Split (B, H, W, C) into (B, N, T, D)."""
        return x.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
