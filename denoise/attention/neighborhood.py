r"""Neighbourhood attention: each pixel attends to the k x k pixels around it.

.. math::

   y_i = \sum_{j \in N_k(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} + b_{j-i}) v_j

:math:`N_k(i)` holds the k x k pixels nearest to :math:`i`, one dilation apart; at a border it moves
inward, so that every pixel has as many keys.
"""

import torch
from torch import Tensor, nn

from denoise.layers.attention_backends import BACKENDS, select_backend, unsupported_reason
from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.local_attention import local_attention
from denoise.option_checks import check_choice, check_odd, check_positive
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Neighborhood


class NeighborhoodAttention(Mixer):
    """Neighbourhood attention (Hassani et al. 2023, arXiv 2204.07143), dilated (arXiv 2209.15001).

    At a border the neighbourhood moves inward and keeps k x k real pixels.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; picks the dilation.
        kernel_size: odd kernel size k; smaller where an axis has fewer pixels.
        dilation: distance between neighbours in pixels; a list alternates from block to block.
        qkv_bias: whether the query, key and value projection has a bias.
        position_bias: whether a bias for each displacement and head is learned.
        backend: implementation, all of the same result: `tiles` in plain torch, `flex` for
            FlexAttention, `natten` for the package of the paper's authors, or `auto`.

    Raises:
        ValueError: for an even kernel_size or an unknown backend; on a call, for a backend
            that does not support the input.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        kernel_size: int = 7,
        dilation: int | list[int] = 1,
        qkv_bias: bool = True,
        position_bias: bool = True,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_odd(kernel_size=kernel_size)
        check_choice(("auto", *BACKENDS), backend=backend)
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.dilation = (
            dilation if isinstance(dilation, int) else dilation[block_index % len(dilation)]
        )
        check_positive(dilation=self.dilation)
        self.backend = backend
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        offsets = 2 * kernel_size - 1
        self.position_bias = None
        if position_bias:
            self.position_bias = nn.Parameter(torch.empty(num_heads, offsets, offsets))
            nn.init.trunc_normal_(self.position_bias, std=0.02)
        receptive_field = Neighborhood(self.kernel_size, self.dilation)
        self.properties = MixerProperties(
            family="local", complexity="N", receptive_field=receptive_field, shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        qkv, bias, k = self.qkv(x), self.position_bias, self.kernel_size
        request = qkv, self.num_heads, bias is not None, k * self.dilation
        name = select_backend(*request) if self.backend == "auto" else self.backend
        if reason := unsupported_reason(name, *request):
            raise ValueError(reason)
        if bias is None:
            bias = qkv.new_zeros(self.num_heads, 2 * k - 1, 2 * k - 1)
        return self.proj(local_attention(qkv, bias, k, self.dilation, "shift", BACKENDS[name]))
