"""Multi-Dconv head transposed attention: channels attend to channels."""

import torch
from torch import Tensor, nn

from denoise.facts import Facts


class MDTA(nn.Module):
    """Transposed attention of Restormer (Zamir et al. 2022, arXiv 2111.09881), in folded form.

    The softmaxed d x d map of each head is multiplied into the output projection, so that one
    C x C matrix per image is applied to the values; the result is the paper's.

    Args:
        dim: channels.
        num_heads: groups of channels that attend among themselves; divides `dim`.
        index: place of the block in its level; unused.
        bias: whether the three convolutions have one.
    """

    def __init__(self, dim: int, num_heads: int, index: int, *, bias: bool = False) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=bias)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        return Facts(family="channel", cost="N", reach=None, step=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        B, C, H, W = x.shape
        N = len(self.temperature)
        qkv = self.qkv_dwconv(self.qkv(x)).permute(0, 2, 3, 1).reshape(B, H * W, 3 * C)
        q, k, v = qkv.split(C, dim=-1)
        # The squares of a large image overflow float16.
        norm = torch.linalg.vector_norm(qkv[..., : 2 * C], dim=1, dtype=_at_least_float32(x.dtype))
        norm = norm.clamp_min(1e-12).view(B, 2, N, C // N)
        if N == 1:
            gram = (q.transpose(1, 2) @ k)[:, None]
        else:
            gram = _heads(q, N).transpose(2, 3) @ _heads(k, N)
        gram = gram / norm[:, 0, :, :, None] / norm[:, 1, :, None, :]
        attention = (gram * self.temperature).softmax(-1).to(v.dtype)
        weight = self.project_out.weight.view(C, N, C // N).transpose(0, 1).to(v.dtype)
        folded = (weight @ attention).transpose(1, 2).reshape(B, C, C)
        out = v @ folded.transpose(1, 2)
        if self.project_out.bias is not None:
            out = out + self.project_out.bias
        return out.view(B, H, W, C).permute(0, 3, 1, 2)


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """Split (B, T, C) into (B, N, T, D)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
