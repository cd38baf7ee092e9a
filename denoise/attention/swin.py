r"""Shifted-window attention: pixels attend within windows that move by half from block to block.

.. math::

   y_i = \sum_{j \in W(i)} \operatorname{softmax}_j(q_i^\top k_j / \sqrt{D} + b_{i-j}) v_j,
   \qquad W(i) = \left\{ j : \left\lfloor \tfrac{j - s}{w} \right\rfloor = \left\lfloor
   \tfrac{i - s}{w} \right\rfloor \right\}

Per axis, with :math:`s = 0` in even blocks and :math:`s = w / 2` in odd ones: information crosses
the edge of a window in the next block.
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
    round_up,
    runs,
)
from denoise.option_checks import check_positive
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Windows


class ShiftedWindowAttention(Mixer):
    """Window attention of Swin (Liu et al. 2021, arXiv 2103.14030), exact at any size.

    Departs from the official code where that attends to padding, leaks across the cyclic shift or
    changes the window on small images: here a pixel at p attends to the real pixels with the same
    floor((p - shift) / window_size) per axis, and to no others.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; odd ones shift by half a window.
        window_size: height and width of a window in pixels.
        qkv_bias: whether the query, key and value projection has a bias.
        shift: whether odd blocks shift; without it nothing crosses the edges of the windows.
    """

    relative_position_index: Tensor

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        window_size: int = 8,
        qkv_bias: bool = True,
        shift: bool = True,
    ) -> None:
        super().__init__()
        check_positive(window_size=window_size)
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift = window_size // 2 if shift and block_index % 2 else 0
        self.qkv = Conv1x1(dim, 3 * dim, bias=qkv_bias, channels_last=True)
        self.proj = Conv1x1(dim, dim, zero_init=True)
        self.position_bias = nn.Parameter(torch.empty((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        table = relative_position_index(window_size, window_size)
        self.register_buffer("relative_position_index", table, persistent=False)
        receptive_field = Windows(self.window_size, self.shift)
        self.properties = MixerProperties(
            family="window",
            complexity="N",
            receptive_field=receptive_field,
            shift_period=self.window_size,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        H, W = x.shape[2:]
        size, N = (self.window_size, self.window_size), self.num_heads
        shift = [self.shift if length > self.window_size else 0 for length in (H, W)]
        # Pad after the projection: padded pixels are masked as keys and cropped as queries.
        qkv = pad(self.qkv(x).permute(0, 2, 3, 1), size)
        if any(shift):
            qkv = qkv.roll([-s for s in shift], (1, 2))
        q, k, v = partition(qkv, 3 * N, size).unflatten(3, (3, N)).unbind(3)
        bias = self.position_bias[self.relative_position_index].permute(4, 0, 1, 2, 3)
        rows, columns = (self._runs(*axis, x.device) for axis in zip((H, W), shift, strict=True))
        out = merge(attend(q, k, v, bias, rows, columns))
        if any(shift):
            out = out.roll(shift, (1, 2))
        return self.proj(crop(out, H, W).permute(0, 3, 1, 2))

    def _runs(self, length: int, shift: int, device: torch.device) -> Runs:
        """Return the runs of the rolled windows of an axis."""
        w = self.window_size

        def visible(number: Tensor) -> Tensor:
            position = number * w + torch.arange(w, device=device)
            # Rolled, the last window ends with the pixels from before the first shift. Padding is a
            # region of its own, so that no query is left without a key.
            position = (position + shift) % round_up(length, w)
            region = ((position - shift) // w).where(position < length, length)
            return region.mT == region

        return runs(length, w, visible, device, after=shift)
