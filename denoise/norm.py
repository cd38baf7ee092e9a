"""Normalisations over the channels of each pixel: `Norm(dim)`, (B, C, H, W) in and out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016, arXiv 1607.06450) over the channels of each pixel."""

    def __init__(self, dim: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        x = x.permute(0, 2, 3, 1)  # a view without a copy where x is channels_last
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class LayerNormBiasFree(nn.Module):
    """Restormer's bias-free layer normalisation (Zamir et al. 2022, arXiv 2111.09881).

    Divides by the (centred) standard deviation without subtracting the mean.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        x = x.permute(0, 2, 3, 1)
        scale = (x.var(-1, unbiased=False, keepdim=True) + self.eps).rsqrt()
        return (x * scale * self.weight).permute(0, 3, 1, 2)


class DyT(nn.Module):
    """Dynamic tanh, w * tanh(alpha * x) + b (Zhu et al. 2025, arXiv 2503.10622).

    Args:
        dim: channels.
        alpha: initial value of the one learned scale inside the tanh.
    """

    def __init__(self, dim: int, *, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), alpha))
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Squash (B, C, H, W)."""
        x = torch.tanh(self.alpha * x)
        return torch.addcmul(self.bias[:, None, None], x, self.weight[:, None, None])


class NoNorm(nn.Identity):
    """No normalisation: the control."""

    def __init__(self, dim: int) -> None:
        super().__init__()
