"""Downsampling of Swin."""

import torch
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1


class PatchMerging(nn.Module):
    """Downsampling of Swin (Liu et al. 2021, arXiv 2103.14030): 2x2 pixels, layer norm, linear."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = Conv1x1(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Downsample (B, C, H, W), H and W even, to (B, 2C, H / 2, W / 2)."""
        x = x.permute(0, 2, 3, 1)
        pixels = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(pixels, dim=-1)).permute(0, 3, 1, 2))
