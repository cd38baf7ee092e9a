r"""Overlapping cross-attention: the pixels of a window attend to a larger window around it.

.. math::

   y_i = \sum_{j \in O(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} + b_{j-i}) v_j

:math:`O(i)` is the window of :math:`i` and a margin around it, so that pixels at the edge of a
window attend beyond it; windows are not shifted.
"""

import torch
import torch.nn.functional as F
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
    round_up,
    runs,
)
from denoise.option_checks import check_positive
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Windows


class OverlappingCrossAttention(Mixer):
    """Overlapping cross-attention of HAT (Chen et al. 2023, arXiv 2205.04437), exact at any size.

    Departs from the official code where that attends to zeros outside the image, and keeps the bias
    table in the order of the displacements.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        window_size: height and width of a window of queries in pixels.
        overlap_ratio: pixels by which a window of keys is larger, over `window_size`.
        qkv_bias: whether the query, key and value projection has a bias.

    Raises:
        ValueError: where keys cannot overlap by whole pixels, as many on each side.
    """

    relative_position_index: Tensor

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        window_size: int = 8,
        overlap_ratio: float = 0.5,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        check_positive(window_size=window_size)
        overlap = round(window_size * overlap_ratio)
        if overlap < 0 or overlap % 2 or abs(overlap - window_size * overlap_ratio) > 1e-6:
            raise ValueError(
                f"overlap_ratio={overlap_ratio} of window_size={window_size} is an overlap of "
                f"{window_size * overlap_ratio:g} pixels: choose them for an even number"
            )
        self.num_heads = num_heads
        self.window_size = window_size
        self.margin = overlap // 2
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        offsets = 2 * window_size + overlap - 1
        self.position_bias = nn.Parameter(torch.empty(offsets**2, num_heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        table = relative_position_index(window_size, window_size + overlap)
        self.register_buffer("relative_position_index", table, persistent=False)
        receptive_field = Windows(self.window_size, 0, self.margin)
        self.properties = MixerProperties(
            family="window",
            complexity="N",
            receptive_field=receptive_field,
            shift_period=self.window_size,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        C, H, W = x.shape[1:]
        w, e, N = self.window_size, self.margin, self.num_heads
        # Pad after the projection: padded pixels are masked as keys and cropped as queries.
        q, kv = self.qkv(x).permute(0, 2, 3, 1).split([C, 2 * C], 3)
        q = partition(pad(q, (w, w)), N, (w, w))
        kv = F.pad(kv, (0, 0, e, round_up(W, w) - W + e, e, round_up(H, w) - H + e))
        kv = kv.unfold(1, w + 2 * e, w).unfold(2, w + 2 * e, w)
        k, v = kv.unflatten(3, (2, N, C // N)).permute(3, 0, 1, 2, 4, 6, 7, 5)
        bias = self.position_bias[self.relative_position_index].permute(4, 0, 1, 2, 3)
        out = attend(q, k, v, bias, self._runs(H, x.device), self._runs(W, x.device))
        return self.proj(crop(merge(out), H, W).permute(0, 3, 1, 2))

    def _runs(self, length: int, device: torch.device) -> Runs:
        """Return the runs of the windows of an axis."""
        w, e = self.window_size, self.margin

        def visible(number: Tensor) -> Tensor:
            position = number * w + torch.arange(-e, w + e, device=device)
            return (position >= 0) & (position < length)

        return runs(length, w, visible, device, before=e, after=e)
