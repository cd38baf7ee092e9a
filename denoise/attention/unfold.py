r"""Local attention: each pixel attends to the pixels of the k x k square around it.

.. math::

   y_i = \sum_{j \in S_k(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} + b_{j-i}) v_j

:math:`S_k(i)` is the k x k square centred at :math:`i`; pixels outside the image are left out, so
that a border pixel has fewer keys.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.local_attention import is_inside, local_attention
from denoise.layers.padding import reflect_pad
from denoise.option_checks import check_choice, check_odd, check_positive
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius

BORDERS = ("mask", "reflect")


class UnfoldAttention(Mixer):
    """Local self-attention (Ramachandran et al. 2019, arXiv 1906.05909).

    Departs from the paper in its position term, a learned bias for each offset and head as in
    later window attention, and in masking what lies outside the image.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; picks the dilation.
        kernel_size: odd kernel size k.
        dilation: distance between neighbours in pixels; a list alternates from block to block.
        border: `mask` hides what lies outside the image, `reflect` reflects the image there, or
            repeats its border pixels where an axis is too short for that.
        naive: whether to copy k x k keys and values for every pixel: slow, a reference for the
            tiled implementation.
        qkv_bias: whether the query, key and value projection has a bias.

    Raises:
        ValueError: for an even kernel_size or an unknown border.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        kernel_size: int = 7,
        dilation: int | list[int] = 1,
        border: Literal["mask", "reflect"] = "mask",
        naive: bool = False,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        check_odd(kernel_size=kernel_size)
        check_choice(BORDERS, border=border)
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.dilation = (
            dilation if isinstance(dilation, int) else dilation[block_index % len(dilation)]
        )
        check_positive(dilation=self.dilation)
        self.radius = kernel_size // 2 * self.dilation
        self.border = border
        self.naive = naive
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.position_bias = nn.Parameter(torch.empty(num_heads, kernel_size, kernel_size))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        self.properties = MixerProperties(
            family="local", complexity="N", receptive_field=Radius(self.radius), shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        qkv = self.qkv(x)
        if self.naive:
            return self.proj(self._unfold(qkv))
        bias, k = self.position_bias, self.kernel_size
        return self.proj(local_attention(qkv, bias, k, self.dilation, self.border))

    def _unfold(self, qkv: Tensor) -> Tensor:
        """Attend by the formula, with k x k copies of keys and values."""
        B, C, H, W = qkv.shape
        N, k, r = self.num_heads, self.kernel_size, self.radius
        q, keys, values = qkv.unflatten(1, (3, N, C // 3 // N)).unbind(1)
        if self.border == "reflect":
            padded = reflect_pad(qkv[:, C // 3 :], r)
        else:
            padded = F.pad(qkv[:, C // 3 :], (r, r, r, r))
        kv = F.unfold(padded, k, dilation=self.dilation)
        keys, values = kv.view(B, 2, N, C // 3 // N, k * k, H, W).unbind(1)
        logits = (q[:, :, :, None] * keys).sum(2) * q.shape[2] ** -0.5
        logits = logits + self.position_bias.flatten(1)[..., None, None]
        if self.border == "mask":
            y, x = (is_inside(length, k, self.dilation, qkv.device) for length in (H, W))
            inside = y[:, None, :, None] & x[None, :, None, :]
            logits = logits.masked_fill(~inside.flatten(0, 1), -torch.inf)
        return (logits.softmax(2)[:, :, None] * values).sum(3).flatten(1, 2)
