r"""Grid attention: pixels attend to a coarse grid that spans the image.

.. math::

   y_i = \sum_{j \in G(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} + b_{j-i}) v_j,
   \qquad G(i) = \{ j : j \equiv i \pmod{\lceil L / g \rceil} \}

Per axis of :math:`L` pixels, so that the :math:`g \times g` keys of a pixel are spread evenly over
the image.
"""

import torch
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.windows import (
    Runs,
    attend,
    crop,
    merge,
    pad,
    partition,
    relative_position_index,
)
from denoise.option_checks import check_positive
from denoise.properties import Mixer, MixerProperties


class GridAttention(Mixer):
    """Grid attention of MaxViT (Tu et al. 2022, arXiv 2204.01697), exact at any size.

    A pixel attends to the real pixels at multiples of ceil(H / grid_size) rows and ceil(W /
    grid_size) columns from it; the paper wants sizes that `grid_size` divides. As in the paper the
    position bias counts steps of the grid, which grow with the image.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        grid_size: points of the grid along an axis.
        qkv_bias: whether the query, key and value projection has a bias.
    """

    relative_position_index: Tensor

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        grid_size: int = 8,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        check_positive(grid_size=grid_size)
        self.num_heads = num_heads
        self.grid_size = grid_size
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.position_bias = nn.Parameter(torch.empty((2 * grid_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        table = relative_position_index(grid_size, grid_size)
        self.register_buffer("relative_position_index", table, persistent=False)
        self.properties = MixerProperties(
            family="sparse global", complexity="N", receptive_field=None, shift_period=None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        H, W = x.shape[2:]
        G, N = self.grid_size, self.num_heads
        stride = (H + G - 1) // G, (W + G - 1) // G
        # Pad after the projection: padded pixels are masked as keys and cropped as queries.
        qkv = pad(self.qkv(x).permute(0, 2, 3, 1), (G, G))
        # A grid takes one pixel of every window: windows and the positions in them swap roles.
        swap = 0, 4, 5, 3, 1, 2, 6
        q, k, v = partition(qkv, 3 * N, stride).permute(swap).unflatten(3, (3, N)).unbind(3)
        bias = self.position_bias[self.relative_position_index].permute(4, 0, 1, 2, 3)
        out = attend(q, k, v, bias, self._runs(H, x.device), self._runs(W, x.device))
        return self.proj(crop(merge(out.permute(swap)), H, W).permute(0, 3, 1, 2))

    def _runs(self, length: int, device: torch.device) -> Runs:
        """Return the runs of the grids of an axis, in order of their first pixels."""
        G = self.grid_size
        stride = (length + G - 1) // G
        position = torch.arange(G, device=device) * stride
        if torch.compiler.is_exporting():
            first = torch.arange(stride, device=device)[:, None, None]
            return [(stride, first + position < length)]
        # The first grids have one more point inside the image; there may be no others.
        longer = (length - 1) % stride + 1
        groups = (longer, 0), (stride - longer, longer)
        return [
            (number, (first + position < length)[None, None]) for number, first in groups if number
        ]
