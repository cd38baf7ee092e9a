r"""ACmix: local attention and a convolution of the same projections.

.. math::

   y_i = \beta_1 \sum_{j \in S_k(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} +
   b_{j-i}) v_j + \beta_2 \sum_{o} W_o \, [q; k; v]_{i+o}

The square :math:`S_k(i)` holds the pixels of the image around :math:`i`; the second sum is a
convolution over offsets :math:`o`, whose kernel is learned across heads. Both rates :math:`\beta`
are learned from zero.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.local_attention import local_attention
from denoise.option_checks import check_choice, check_odd
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius

POSITIONS = ("offset", "official")


class ACmix(Mixer):
    """Mix of self-attention and convolution (Pan et al. 2022, arXiv 2111.14556).

    Departs from the official code, whose positions change meaning with the image's size and whose
    border is reflected: here a bias for each offset and head is learned and nothing outside the
    image is attended to. One projection computes queries, keys and values.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        kernel_att: odd kernel size of the attention.
        kernel_conv: odd kernel size of the convolution.
        pe: position encoding, a learned bias for each `offset`, or `official` for normalised
            coordinates and a reflected border.

    Raises:
        ValueError: for an even kernel or an unknown pe.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        kernel_att: int = 7,
        kernel_conv: int = 3,
        pe: str = "offset",
    ) -> None:
        super().__init__()
        check_odd(kernel_att=kernel_att, kernel_conv=kernel_conv)
        check_choice(POSITIONS, pe=pe)
        self.num_heads = num_heads
        self.kernel_att = kernel_att
        self.kernel_conv = kernel_conv
        self.qkv = Conv1x1(dim, 3 * dim)
        self.fc = nn.Linear(3 * num_heads, kernel_conv**2, bias=False)
        # The convolution starts as shifts of the image by one offset each.
        shifts = torch.eye(kernel_conv**2).unflatten(1, (kernel_conv, kernel_conv))
        self.shifts = nn.Parameter(shifts.repeat(dim, 1, 1, 1))
        # The paper's 0.5 would add to the input from the start; every other mixer adds nothing.
        self.rate1 = nn.Parameter(torch.tensor(0.0))
        self.rate2 = nn.Parameter(torch.tensor(0.0))
        if pe == "offset":
            self.position_bias = nn.Parameter(torch.empty(num_heads, kernel_att, kernel_att))
            nn.init.trunc_normal_(self.position_bias, std=0.02)
            self.positions = None
        else:
            # A bias would be the same for query and key, and cancel.
            self.positions = Conv1x1(2, dim // num_heads, bias=False)
        receptive_field = (
            Radius(max(self.kernel_att, self.kernel_conv) // 2) if not self.positions else None
        )
        self.properties = MixerProperties(
            family="local", complexity="N", receptive_field=receptive_field, shift_period=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        qkv = self.qkv(x)
        return self.rate1 * self._attend(qkv) + self.rate2 * self._convolve(qkv)

    def _attend(self, qkv: Tensor) -> Tensor:
        if self.positions is None:
            return local_attention(qkv, self.position_bias, self.kernel_att, 1, "mask")
        q, k, v = qkv.chunk(3, 1)
        # Not linspace: torch.export would specialise on one size.
        y, x = (
            torch.arange(n, dtype=k.dtype, device=k.device).mul(2 / torch.sym_max(n - 1, 1)) - 1
            for n in k.shape[2:]
        )
        coordinates = torch.stack(torch.meshgrid(x, y, indexing="xy"))[None]
        # The paper's term of the query is the same for all of its keys, and cancels in the softmax.
        k = k - self.positions(coordinates).repeat(1, self.num_heads, 1, 1)
        no_bias = k.new_zeros(self.num_heads, self.kernel_att, self.kernel_att)
        return local_attention(torch.cat((q, k, v), 1), no_bias, self.kernel_att, 1, "reflect")

    def _convolve(self, qkv: Tensor) -> Tensor:
        """Convolve; the linear layer before it, which has no bias, is merged into the kernel."""
        kernel = torch.einsum("otyx,tc->ocyx", self.shifts, self.fc.weight)
        groups = qkv.shape[1] // self.fc.in_features
        by_channel_of_head = qkv.unflatten(1, (-1, groups)).transpose(1, 2).flatten(1, 2)
        return F.conv2d(by_channel_of_head, kernel, padding=self.kernel_conv // 2, groups=groups)
