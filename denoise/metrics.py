"""Image quality, per image: every metric maps two (B, C, H, W) batches to (B,)."""

from kornia.metrics import ssim as ssim_map
from torch import Tensor

WINDOW = 11


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, (B,); infinite for identical images.

    Raises:
        ValueError: If the shapes differ.
    """
    _check_shapes(restored, clean)
    return -10 * (restored - clean).square().mean((1, 2, 3)).log10()


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the structural similarity (Wang et al. 2004), (B,), a mean over the valid interior.

    The moments are taken in float64: in float32 a flat bright image is off by 3e-4.

    Raises:
        ValueError: If the shapes differ or an image is smaller than the window.
    """
    _check_shapes(restored, clean)
    if min(clean.shape[-2:]) < WINDOW:
        raise ValueError(
            f"SSIM needs images of {WINDOW}x{WINDOW} or more, got {tuple(clean.shape[-2:])}"
        )
    values = ssim_map(restored.double(), clean.double(), WINDOW, eps=0.0, padding="valid")
    return values.mean((1, 2, 3)).to(clean.dtype)


def quantize(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the 256 grey levels that an 8-bit file holds."""
    return (image.clamp(0, 1) * 255).round() / 255


def _check_shapes(restored: Tensor, clean: Tensor) -> None:
    if restored.shape != clean.shape:
        raise ValueError(f"restored is {tuple(restored.shape)} but clean is {tuple(clean.shape)}")
