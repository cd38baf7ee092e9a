r"""Deformable attention: pixels attend to a coarse grid of points, shifted by learned offsets.

.. math::

   p_c = \bar{p}_c + r \tanh(\theta(q)_c), \qquad y_i = \sum_c
   \operatorname{softmax}_c(q_i^\top k(p_c) / \sqrt{D}) v(p_c) + (\operatorname{dw}_{3 \times
   3} * q)_i

The image is cut into cells :math:`c` with centres :math:`\bar{p}_c`; keys and values are read
bilinearly at the shifted points :math:`p_c`, whose offsets a small network :math:`\theta` predicts
from the queries.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import zero_parameters
from denoise.option_checks import at_level, check_odd, check_positive
from denoise.properties import Mixer, MixerProperties


class DeformableAttention(Mixer):
    """Attention of DAT (Xia et al. 2022, arXiv 2201.00520).

    The image is cut into ceil(H / stride) x ceil(W / stride) equal cells; the key of a cell is read
    bilinearly at the cell's centre plus a learned offset. Departs from the official code in three
    ways: points are in units of pixels, so that they start exactly at the centres; they are clamped
    to the image; and a depthwise convolution of the queries, added to the output, replaces the
    table of relative positions, whose meaning changes with the size of the image.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        block_index: position of the block in its level; unused.
        stride: largest height and width of a cell in pixels; a list holds one for each level, as it
            does for groups and offset_kernel.
        groups: groups of channels with offsets of their own; divides `dim`.
        offset_range: largest offset along an axis, in units of half a cell.
        offset_kernel: odd kernel size of the convolution that predicts the offsets.
        level: level of the network, 0 for the top, for options that are lists.

    Raises:
        ValueError: where groups do not divide the channels or offset_kernel is even.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        stride: int | Sequence[int] = (8, 4, 2, 1),
        groups: int | Sequence[int] = (1, 2, 4, 8),
        offset_range: float = 2,
        offset_kernel: int | Sequence[int] = (9, 7, 5, 3),
        level: int = 0,
    ) -> None:
        super().__init__()
        stride, groups, offset_kernel = at_level(
            level, stride=stride, groups=groups, offset_kernel=offset_kernel
        )
        check_positive(stride=stride, groups=groups)
        if dim % groups:
            raise ValueError(f"groups={groups} does not divide {dim} channels: choose a divisor")
        check_odd(offset_kernel=offset_kernel)
        self.num_heads = num_heads
        self.groups = groups
        self.offset_range = offset_range
        width = dim // groups
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        zero_parameters(self.proj)
        self.position = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.offset_conv = nn.Conv2d(width, width, offset_kernel, stride, groups=width)
        self.offset_norm = nn.LayerNorm(width)
        self.offset_proj = nn.Linear(width, 2, bias=False)
        # Keys begin near their cells' centres: one that is clamped to the border does not learn.
        nn.init.trunc_normal_(self.offset_proj.weight, std=0.01)
        self.properties = MixerProperties(
            family="sparse global", complexity="N^2", receptive_field=None, shift_period=None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        B, C, H, W = x.shape
        pixels = x.permute(0, 2, 3, 1).contiguous()
        q = self.q(pixels)
        queries = q.permute(0, 3, 1, 2)
        points = self._sampling_points(queries.reshape(B * self.groups, -1, H, W))
        # Coordinates of a large image need more digits than bfloat16 has.
        sampled = F.grid_sample(
            x.reshape(B * self.groups, -1, H, W).to(points.dtype),
            points,
            padding_mode="border",
            align_corners=False,
        )
        sampled = sampled.to(x.dtype).reshape(B, C, -1).transpose(1, 2).contiguous()
        k, v = self.kv(sampled).chunk(2, dim=-1)
        q, k, v = (self._heads(t) for t in (q.flatten(1, 2), k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        out = out.transpose(1, 2).reshape(B, H, W, C)
        out = out + self.position(queries).permute(0, 2, 3, 1)
        return self.proj(out).permute(0, 3, 1, 2)

    def _sampling_points(self, q: Tensor) -> Tensor:
        """Return where keys are read: (B, h, w, 2), x then y, in -1 to 1 over the image."""
        # Padded here: oneDNN's bfloat16 gradient of a kernel larger than its image is wrong.
        q = F.pad(q, 4 * (self.offset_conv.kernel_size[0] // 2,), value=0.0)
        hidden = self.offset_conv(q).permute(0, 2, 3, 1)
        offset = self.offset_proj(F.gelu(self.offset_norm(hidden)))
        offset = offset.to(torch.promote_types(offset.dtype, torch.float32))
        offset = self.offset_range * offset.tanh()
        rows, columns = offset.shape[1:3]
        # Cells are 2 wide in units of half a cell.
        y = torch.arange(rows, device=q.device)[:, None] * 2 + 1 + offset[..., 1]
        x = torch.arange(columns, device=q.device) * 2 + 1 + offset[..., 0]
        return torch.stack([x / columns - 1, y / rows - 1], dim=-1)

    def _heads(self, x: Tensor) -> Tensor:
        """Split (B, T, C) into (B, N, T, D)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
