"""The strength of the noise in an image: known, estimated, or measured against the clean one."""

import math
from typing import TypeVar

import numpy as np
from torch import Tensor

from denoise.noise.synthetic import sigma_to_unit

Images = TypeVar("Images", Tensor, np.ndarray)
WINDOW = 1024  # pixels; of larger images the centre is used


def model_sigma(noisy: Tensor, sigma: float | None) -> Tensor:
    """Return the sigma that a model with a noise-level map is given, (B,), in grey levels.

    Validation, evaluation and restoration share this rule. None of them knows the clean image:
    only training on white noise may pass `realised_sigma` instead.

    Args:
        noisy: Images, (B, C, H, W).
        sigma: Nominal standard deviation in grey levels; None estimates it in each image.

    Raises:
        ValueError: If sigma is not a number from 0, or an image is too small for an estimate.
    """
    if sigma is None:
        return estimate_sigma(noisy).to(noisy)
    if not isinstance(sigma, int | float) or not 0 <= sigma < math.inf:
        raise ValueError(f"sigma={sigma} is not a strength of noise: give a number from 0")
    return noisy.new_full((len(noisy),), sigma)


def estimate_sigma(noisy: Tensor) -> Tensor:
    """Estimate the standard deviation of white noise in grey levels, (B,) in float64 on the CPU.

    The median rule of Donoho and Johnstone (1994) on the diagonal details of Haar wavelets, within
    the `central_window`.

    Args:
        noisy: Images, (B, C, H, W).

    Raises:
        ValueError: If an image is less than 2 pixels high or wide.
    """
    H, W = noisy.shape[-2:]
    if min(H, W) < 2:
        raise ValueError(f"the noise of an image of {H}x{W} pixels cannot be estimated: give sigma")
    noisy = central_window(noisy)
    rows = noisy[..., 1:, :] - noisy[..., :-1, :]
    details = (rows[..., 1:] - rows[..., :-1]) / 2
    medians = details.abs().flatten(1).median(1).values
    return medians.cpu().double() / 0.6745 / sigma_to_unit(1.0)


def central_window(images: Images) -> Images:
    """Return the centre of images, (..., H, W), of at most WINDOW x WINDOW pixels, as a view."""
    top, left = (max(0, (length - WINDOW) // 2) for length in images.shape[-2:])
    return images[..., top : top + WINDOW, left : left + WINDOW]


def realised_sigma(noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the root mean square of noisy - clean, (B,), in grey levels.

    It differs from the nominal sigma by chance, and needs the clean image.

    Args:
        noisy: Images, (B, C, H, W).
        clean: Likewise.
    """
    return (noisy - clean).square().mean((1, 2, 3)).sqrt() / sigma_to_unit(1.0)
