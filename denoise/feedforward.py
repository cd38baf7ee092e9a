"""Feed-forward halves of a block: `FeedForward(dim)`, (B, C, H, W) in and out."""

import torch.nn.functional as F
from torch import Tensor, nn


class GDFN(nn.Module):
    """Gated-Dconv feed-forward network of Restormer (Zamir et al. 2022, arXiv 2111.09881).

    Args:
        dim: channels.
        expansion: hidden width over `dim`.
        bias: whether the three convolutions have one.
    """

    def __init__(self, dim: int, *, expansion: float = 2.66, bias: bool = False) -> None:
        super().__init__()
        hidden = int(dim * expansion)
        self.project_in = nn.Conv2d(dim, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, dim, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, H, W)."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * value)


class MLP(nn.Sequential):
    """Two 1x1 convolutions around a GELU (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        dim: channels.
        expansion: hidden width over `dim`.
    """

    def __init__(self, dim: int, *, expansion: float = 4.0) -> None:
        hidden = int(dim * expansion)
        super().__init__(nn.Conv2d(dim, hidden, 1), nn.GELU(), nn.Conv2d(hidden, dim, 1))
