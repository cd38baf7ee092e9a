"""Image quality, per image: every metric maps two (B, C, H, W) batches to (B,).

Images are compared window by window, so that the memory beside them does not grow with their size.
"""

from collections.abc import Iterator

import torch
from kornia.metrics import ssim as ssim_map
from torch import Tensor

WINDOW = 11
TILE = 256  # height and width of the windows that are compared at once, in pixels


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, (B,); infinite for identical images.

    Raises:
        ValueError: If the shapes differ.
    """
    errors = [(a - b).square().sum((1, 2, 3)) for a, b in _tiles(restored, clean)]
    return -10 * (torch.stack(errors).sum(0) / clean[0].numel()).log10()


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the structural similarity (Wang et al. 2004), (B,), a mean over the valid interior.

    The moments are taken in float64: in float32 a flat bright image is off by 3e-4.

    Raises:
        ValueError: If the shapes differ or an image is smaller than the window.
    """
    B, C, H, W = clean.shape
    if min(H, W) < WINDOW:
        raise ValueError(f"SSIM needs images of {WINDOW}x{WINDOW} or more, got {(H, W)}")
    total = torch.zeros(B, dtype=torch.float64)
    for a, b in _tiles(restored, clean, WINDOW - 1):
        if a.device.type == "mps":  # has no float64
            a, b = a.cpu(), b.cpu()
        values = ssim_map(a.double(), b.double(), WINDOW, eps=0.0, padding="valid")
        total += values.sum((1, 2, 3)).cpu()
    return (total / (C * (H - WINDOW + 1) * (W - WINDOW + 1))).to(clean.dtype).to(clean.device)


def quantize(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the 256 grey levels that an 8-bit file holds."""
    return image.clamp(0, 1).mul_(255).round_().div_(255)


def _tiles(restored: Tensor, clean: Tensor, overlap: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut two batches into windows of TILE pixels, each with `overlap` pixels of the next."""
    if restored.shape != clean.shape:
        raise ValueError(f"restored is {tuple(restored.shape)} but clean is {tuple(clean.shape)}")
    H, W = clean.shape[-2:]
    for top in range(0, H - overlap, TILE):
        for left in range(0, W - overlap, TILE):
            window = (..., slice(top, top + TILE + overlap), slice(left, left + TILE + overlap))
            yield restored[window], clean[window]
