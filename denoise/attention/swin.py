"""Shifted-window attention: pixels attend within windows that move by half from block to block."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.facts import Facts, Windows


class ShiftedWindowAttention(nn.Module):
    """Window attention of Swin (Liu et al. 2021, arXiv 2103.14030), exact at any size.

    Departs from the official code where that attends to padding, leaks across the cyclic shift or
    changes the window on small images: here a pixel at p attends to the real pixels with the same
    floor((p - shift) / window_size) per axis, and to no others.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        index: place of the block in its level; odd ones shift by half a window.
        window_size: side of a window in pixels.
        qkv_bias: whether the query, key and value projection has a bias.
    """

    def __init__(
        self, dim: int, num_heads: int, index: int, *, window_size: int = 8, qkv_bias: bool = True
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift = window_size // 2 if index % 2 else 0
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=qkv_bias)
        self.proj = nn.Conv2d(dim, dim, 1)
        self.position_bias = nn.Parameter(torch.empty((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        self.register_buffer("displacements", _displacements(window_size), persistent=False)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        reach = Windows(self.window_size, self.shift)
        return Facts(family="window", cost="N", reach=reach, step=self.window_size)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        B, C, H, W = x.shape
        w, N = self.window_size, self.num_heads
        shift = [self.shift if length > w else 0 for length in (H, W)]
        # Pad after the projection: padded pixels are masked as keys and cropped as queries.
        qkv = F.pad(self.qkv(x).permute(0, 2, 3, 1), (0, 0, 0, -W % w, 0, -H % w))
        if any(shift):
            qkv = qkv.roll([-s for s in shift], (1, 2))
        rows, columns = qkv.shape[1] // w, qkv.shape[2] // w
        qkv = qkv.view(B, rows, w, columns, w, 3, N, C // N).permute(5, 0, 1, 3, 6, 2, 4, 7)
        q, k, v = qkv.reshape(3, B * rows * columns, N, w * w, C // N)

        bias = self.position_bias[self.displacements].permute(2, 0, 1)
        if any(shift) or H % w or W % w:
            hidden = _hidden(H, W, w, *shift, x.device)
            bias = bias.masked_fill(hidden[:, None], -torch.inf).repeat(B, 1, 1, 1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))

        out = out.view(B, rows, columns, N, w, w, C // N).permute(0, 1, 4, 2, 5, 3, 6)
        out = out.reshape(B, rows * w, columns * w, C)
        if any(shift):
            out = out.roll(shift, (1, 2))
        return self.proj(out[:, :H, :W].permute(0, 3, 1, 2))


def _displacements(w: int) -> Tensor:
    """Row of the bias table for each query and key of a window: (w * w, w * w)."""
    y, x = torch.arange(w * w) // w, torch.arange(w * w) % w
    return (y[:, None] - y + w - 1) * (2 * w - 1) + x[:, None] - x + w - 1


def _hidden(H: int, W: int, w: int, shift_y: int, shift_x: int, device: torch.device) -> Tensor:
    """Which keys a query of the same rolled window must not see: (windows, w * w, w * w)."""

    def regions(length: int, shift: int) -> Tensor:
        place = torch.arange(length + -length % w, device=device)
        # Padded places form a region of their own, so that no query is left without a key.
        region = ((place - shift) // w).where(place < length, length)
        return region.roll(-shift).view(-1, w)

    y, x = regions(H, shift_y), regions(W, shift_x)
    region = y[:, None, :, None] * (W + 2) + x[None, :, None, :]
    region = region.reshape(-1, w * w)
    return region[:, :, None] != region[:, None, :]
