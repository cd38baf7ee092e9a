r"""Cross-shaped window attention: pixels attend along stripes that cross the image.

.. math::

   y_i = \sum_{j \in S(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D}) v_j +
   (\operatorname{dw}_{3 \times 3} * v)_i

:math:`S(i)` is the vertical stripe of the image that holds :math:`i` for half of the heads, the
horizontal one for the other half. Cost per pixel grows with the length of a stripe, which is
the height or width of the image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.windows import attend, crop, merge, pad, partition, runs
from denoise.option_checks import at_level, check_positive
from denoise.properties import Mixer, MixerProperties


class CrossShapedWindowAttention(Mixer):
    """Attention of CSWin (Dong et al. 2022, arXiv 2107.00652), exact at any size.

    Half of the heads attend in vertical stripes, the other half in horizontal ones. Departs from
    the official code where that convolves the values stripe by stripe, which draws the stripes into
    the output: here the convolution runs on the whole map. A single head is split in two.

    Args:
        dim: channels, even.
        num_heads: divides `dim`; 1 or even.
        block_index: position of the block in its level; unused.
        stripe_width: pixels across a stripe; a list holds one for each level.
        level: level of the network, 0 for the top, for options that are lists.
        qkv_bias: whether the query, key and value projection has a bias.

    Raises:
        ValueError: for an odd number of channels, or of heads above 1.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        stripe_width: int | Sequence[int] = (1, 2, 7, 7),
        level: int = 0,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        (stripe_width,) = at_level(level, stripe_width=stripe_width)
        check_positive(stripe_width=stripe_width)
        if dim % 2:
            raise ValueError(f"dim={dim} must be even: each direction takes half of the channels")
        if num_heads > 1 and num_heads % 2:
            raise ValueError(f"num_heads={num_heads} must be 1 or even: each direction takes half")
        self.num_heads = max(1, num_heads // 2)  # of each direction
        self.stripe_width = stripe_width
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.properties = MixerProperties(
            family="window",
            complexity="N^1.5",
            receptive_field=None,
            shift_period=self.stripe_width,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        C = x.shape[1]
        qkv = self.qkv(x)
        local = self.lepe(qkv.split(C, 1)[2])
        vertical, horizontal = qkv.permute(0, 2, 3, 1).unflatten(3, (3, 2, C // 2)).unbind(4)
        out = [self._stripes(vertical), self._stripes(horizontal.transpose(1, 2)).transpose(1, 2)]
        return self.proj(torch.cat(out, 3).permute(0, 3, 1, 2) + local)

    def _stripes(self, qkv: Tensor) -> Tensor:
        """Attend within stripes of full height: (B, H, W, 3, C) to (B, H, W, C)."""
        H, W = qkv.shape[1:3]
        width, N = self.stripe_width, self.num_heads
        # Pad after the projection: padded columns are masked as keys and cropped as queries.
        q, k, v = (partition(pad(t, (1, width)), N, (H, width)) for t in qkv.unbind(3))

        def visible(number: Tensor) -> Tensor:
            return number * width + torch.arange(width, device=qkv.device) < W

        columns = runs(W, width, visible, qkv.device)
        return crop(merge(attend(q, k, v, None, [(1, None)], columns)), H, W)
