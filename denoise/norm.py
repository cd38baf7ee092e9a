"""Normalisations over the channels of each pixel: `Norm(dim)`, (B, C, H, W) in and out."""

from abc import ABC, abstractmethod

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
        pixels = x.permute(0, 2, 3, 1)  # a view without a copy where x is channels_last
        tensors: tuple[Tensor, Tensor, Tensor] = (pixels, self.weight, self.bias)
        if self.weight.dtype is torch.bfloat16:  # whose sums over all pixels would be lost
            tensors = pixels.float(), self.weight.float(), self.bias.float()
        out = F.layer_norm(tensors[0], pixels.shape[-1:], *tensors[1:], self.eps)
        return out.to(x.dtype).permute(0, 3, 1, 2)


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


class RMSNorm(nn.Module):
    """Root mean square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467) of each pixel."""

    def __init__(self, dim: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        x = x.permute(0, 2, 3, 1)
        # Under autocast torch warns of a weight that is wider than x: multiply it afterwards.
        return (F.rms_norm(x, x.shape[-1:], eps=self.eps) * self.weight).permute(0, 3, 1, 2)


class PointwiseSquash(nn.Module, ABC):
    """Affine map of a bounded function with a learned scale, w * squash(x) + b: DyT and Derf."""

    def __init__(self, dim: int, *, alpha: float = 8.0, per_channel: bool = False) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((dim if per_channel else 1,), float(alpha)))
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    @abstractmethod
    def squash(self, x: Tensor) -> Tensor:
        """Bound each value of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Squash (B, C, H, W)."""
        return torch.addcmul(self.bias[:, None, None], self.squash(x), self.weight[:, None, None])


class DyT(PointwiseSquash):
    """Dynamic tanh, w * tanh(alpha * x) + b (Zhu et al. 2025, arXiv 2503.10622).

    Args:
        dim: channels.
        alpha: initial value of the learned scale inside the tanh.
        per_channel: whether each channel has an alpha of its own; the paper has one for all.
    """

    def squash(self, x: Tensor) -> Tensor:
        """Bound each value of (B, C, H, W)."""
        return torch.tanh(self.alpha[:, None, None] * x)


class Derf(PointwiseSquash):
    """Dynamic error function, w * erf(alpha * x + s) + b (Chen et al. 2025, arXiv 2512.10938).

    Args:
        dim: channels.
        alpha: initial value of the learned scale inside the erf.
        per_channel: whether each channel has an alpha and an s of its own.
    """

    def __init__(self, dim: int, *, alpha: float = 8.0, per_channel: bool = False) -> None:
        super().__init__(dim, alpha=alpha, per_channel=per_channel)
        self.shift = nn.Parameter(torch.zeros_like(self.alpha))

    def squash(self, x: Tensor) -> Tensor:
        """Bound each value of (B, C, H, W)."""
        alpha, shift = self.alpha[:, None, None], self.shift[:, None, None]
        return torch.erf(torch.addcmul(shift, alpha, x))


class NoNorm(nn.Identity):
    """No normalisation: the control."""

    def __init__(self, dim: int) -> None:
        super().__init__()
