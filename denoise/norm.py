"""Normalisations over the channels of each pixel: `Norm(dim)`, (B, C, H, W) in and out."""

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from denoise.option_checks import check_choice


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
    """What DyT and Derf share: w * squash(x) + b with a learned scale inside the squash."""

    def __init__(
        self, dim: int, alpha: float, per_channel: bool, init: Literal["paper", "layernorm"]
    ) -> None:
        super().__init__()
        check_choice(("paper", "layernorm"), init=init)
        self.init = init
        self.alpha = nn.Parameter(torch.full((dim if per_channel else 1,), float(alpha)))
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    @abstractmethod
    def squash(self, x: Tensor) -> Tensor:
        """Bound (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Squash (B, C, H, W)."""
        return torch.addcmul(self.bias[:, None, None], self.squash(x), self.weight[:, None, None])


class DyT(PointwiseSquash):
    """Dynamic tanh, w * tanh(alpha * x) + b (Zhu et al. 2025, arXiv 2503.10622).

    Args:
        dim: channels.
        alpha: initial value of the learned scale inside the tanh.
        per_channel: whether each channel has an alpha of its own; the paper has one for all.
        init: weight and bias as in the paper, or set by `match_layernorm`.

    Raises:
        ValueError: for an unknown init.
    """

    def __init__(
        self,
        dim: int,
        *,
        alpha: float = 0.5,
        per_channel: bool = False,
        init: Literal["paper", "layernorm"] = "paper",
    ) -> None:
        super().__init__(dim, alpha, per_channel, init)

    def squash(self, x: Tensor) -> Tensor:
        """Bound (B, C, H, W)."""
        return torch.tanh(self.alpha[:, None, None] * x)


class Derf(PointwiseSquash):
    """Dynamic error function, w * erf(alpha * x + s) + b (Chen et al. 2025, arXiv 2512.10938).

    Args:
        dim: channels.
        alpha: initial value of the learned scale inside the erf.
        per_channel: whether each channel has an alpha and an s of its own.
        init: weight and bias as in the paper, or set by `match_layernorm`.

    Raises:
        ValueError: for an unknown init.
    """

    def __init__(
        self,
        dim: int,
        *,
        alpha: float = 0.5,
        per_channel: bool = False,
        init: Literal["paper", "layernorm"] = "paper",
    ) -> None:
        super().__init__(dim, alpha, per_channel, init)
        self.shift = nn.Parameter(torch.zeros_like(self.alpha))

    def squash(self, x: Tensor) -> Tensor:
        """Bound (B, C, H, W)."""
        alpha, shift = self.alpha[:, None, None], self.shift[:, None, None]
        return torch.erf(torch.addcmul(shift, alpha, x))


class NoNorm(nn.Identity):
    """No normalisation: the control."""

    def __init__(self, dim: int) -> None:
        super().__init__()


@torch.no_grad()
def match_layernorm(net: nn.Module, *inputs: Any) -> int:
    """Fit the norms of `net` made with init="layernorm" to layer norm, and tell how many.

    One pass of `net(*inputs)`: each such norm gets, before it runs, the weight and bias per channel
    that bring its output on these inputs closest to layer norm's in least squares, so that later
    norms see matched inputs. A channel that is constant, or saturated to one, keeps its weight.

    Args:
        net: where the norms are.
        inputs: what `net` is called with, a typical batch.
    """
    matched = set()

    def fit(norm: nn.Module, args: tuple[Tensor]) -> None:
        wide = torch.promote_types(args[0].dtype, torch.float32)
        x = args[0].to(wide).permute(0, 2, 3, 1)
        with torch.autocast(x.device.type, enabled=False):
            target = F.layer_norm(x, x.shape[-1:], eps=1e-5).flatten(0, 2)
            squashed = norm.squash(args[0].to(wide)).permute(0, 2, 3, 1).flatten(0, 2)
        middle, level = squashed.mean(0), target.mean(0)
        centred = squashed - middle
        spread = centred.square().mean(0)
        slope = (centred * (target - level)).mean(0) / spread
        # A thousandth of the size: the slope of less would blow up whatever is not on these inputs.
        varies = spread > 1e-6 * squashed.square().mean(0)
        norm.weight.copy_(slope.where(varies, norm.weight))
        norm.bias.copy_(level - norm.weight * middle)
        matched.add(norm)

    norms = [m for m in net.modules() if isinstance(m, PointwiseSquash) and m.init == "layernorm"]
    hooks = [norm.register_forward_pre_hook(fit) for norm in norms]
    try:
        net(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return len(matched)
