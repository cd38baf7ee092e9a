"""Training losses beyond torch's own: modules that map (restored, clean) to a scalar."""

from torch import Tensor, nn


class Charbonnier(nn.Module):
    """Mean of sqrt(difference^2 + eps^2), a smooth L1 (Lai et al. 2017, arXiv 1710.01992)."""

    def __init__(self, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Return the loss of two (B, C, H, W) batches."""
        return ((restored - clean).square() + self.eps**2).sqrt().mean()


class PSNRLoss(nn.Module):
    """Minus the PSNR of each image in dB, averaged (Chen et al. 2021, arXiv 2105.06086).

    Args:
        eps: Added to the mean squared error, so that identical images have a finite gradient.
    """

    def __init__(self, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Return the loss of two (B, C, H, W) batches."""
        mse = (restored - clean).square().mean((1, 2, 3))
        return 10 * (mse + self.eps).log10().mean()
