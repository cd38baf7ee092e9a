r"""Slide attention: each pixel attends to fixed and learned shifts of the image.

.. math::

   y_i = \sum_{o} \operatorname{softmax}_o(q_i^\top (\tilde{k}_o + b_o) / \sqrt{D})
   \tilde{v}_o, \qquad \tilde{k}_o = (S_o + L_o) * k, \quad \tilde{v}_o = (S_o + L_o) * v

For each of the k x k offsets :math:`o` a fixed depthwise kernel :math:`S_o` shifts by it, and a
learned one :math:`L_o` of the same size deforms that; all are read at pixel :math:`i`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.depthwise_shifts import Logits, Values
from denoise.layers.local_attention import is_inside
from denoise.option_checks import check_choice, check_odd
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius

BORDERS = ("mask", "official")


class SlideAttention(Mixer):
    """Slide attention (Pan et al. 2023, arXiv 2304.04237).

    The key and the value at each offset are a convolution of the keys and values of one head: the
    shift by that offset plus a learned one. Departs from the official code in masking offsets that
    lead out of the image, and in one bias where the fixed and the learned convolution have one
    each. Computed one shift at a time, without k x k copies.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        kernel_size: odd kernel size k of the attention and of the convolutions.
        border: `mask`, or `official` to attend to the zeros outside too.
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
        kernel_size: int = 3,
        border: str = "mask",
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        check_odd(kernel_size=kernel_size)
        check_choice(BORDERS, border=border)
        k, width = kernel_size, dim // num_heads
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.border = border
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.learned = nn.Conv2d(width, k * k * width, k, padding=k // 2, groups=width)
        self.position_bias = nn.Parameter(torch.empty(num_heads, k * k))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        self.properties = MixerProperties(
            family="local",
            complexity="N",
            receptive_field=Radius(self.kernel_size // 2),
            shift_period=1,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        N, k, (H, W) = self.num_heads, self.kernel_size, x.shape[2:]
        q, keys, values = self.qkv(x).permute(0, 2, 3, 1).unflatten(3, (3, N, -1)).unbind(3)
        D = q.shape[4]
        q = q * D**-0.5
        # Masked offsets pad to a multiple of 16: narrower matrices are four times slower.
        padding = -(k**2) % 16
        assert self.learned.bias is not None
        kernel = self.learned.weight.view(D, k**2, k**2) + torch.eye(k**2, device=x.device)
        kernel = F.pad(kernel.permute(2, 0, 1), (0, padding), value=0.0).to(q.dtype)
        bias = F.pad(self.learned.bias.view(D, k**2), (0, padding), value=0.0).to(q.dtype)
        # The paper adds the positions to the keys.
        positions = q.sum(-1, keepdim=True) * F.pad(self.position_bias, (0, padding), value=0.0)
        logits = Logits.apply(q, keys, kernel) + q @ bias + positions
        inside = torch.ones(H, W, k * k, dtype=torch.bool, device=x.device)
        if self.border == "mask":
            y, x_ = (is_inside(length, k, 1, x.device).T for length in (H, W))
            inside = (y[:, None, :, None] & x_[:, None]).flatten(2)
        hidden = F.pad(~inside, (0, padding), value=True)
        weight = logits.masked_fill(hidden[:, :, None], -torch.inf).softmax(-1).to(q.dtype)
        out = Values.apply(weight, values, kernel) + weight @ bias.T
        return self.proj(out.flatten(3).permute(0, 3, 1, 2))
