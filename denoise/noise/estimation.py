"""The strength of the noise in an image: known, estimated, or measured against the clean one."""

import math
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from denoise.noise.synthetic import sigma_to_unit

Images = TypeVar("Images", Tensor, np.ndarray)
WINDOW = 1024  # pixels; of larger images the centre is used
NORMAL_MEDIAN = 0.6745  # of the absolute value, over the standard deviation
BINS, SMALLEST_BIN = 8, 64  # of the signal; pixels in each


def model_sigma(noisy: Tensor, sigma: float | None, net: object = None) -> Tensor:
    """Return the sigma that a model with a noise-level map is given, (B,), in grey levels.

    A model with `sigma_map="signal"` is given the line of `estimate_line` instead, (B, 2).

    Validation, evaluation and restoration share this rule. None of them knows the clean image:
    only training on white noise may pass `realised_sigma` instead.

    Args:
        noisy: Images, (B, C, H, W).
        sigma: Nominal standard deviation in grey levels; None estimates it in each image.
        net: The model; None is one without a map of the signal.

    Raises:
        ValueError: If sigma is not a number from 0, or an image is too small for an estimate.
    """
    if sigma is None and getattr(net, "sigma_map", False) == "signal":
        return estimate_line(noisy).to(noisy)
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
    medians = _details(noisy).flatten(1).median(1).values
    return medians.cpu().double() / NORMAL_MEDIAN / sigma_to_unit(1.0)


def estimate_line(noisy: Tensor) -> Tensor:
    """Estimate how the variance of noise grows with the signal, (B, 2) in float64 on the CPU.

    Poisson-Gaussian noise has the variance slope * signal + offset (Foi et al. 2008, IEEE
    Transactions on Image Processing 17(10)). The median rule of `estimate_sigma` in bins of equal
    size by the mean of the channels, then least squares; neither number is below 0.

    Args:
        noisy: Images, (B, C, H, W).

    Returns:
        Slope and offset, for images in [0, 1].

    Raises:
        ValueError: If an image is less than 2 pixels high or wide.
    """
    details = _details(noisy).cpu().double()
    signal = F.avg_pool2d(central_window(noisy).mean(1).cpu().double(), 2, stride=1).flatten(1)
    order = signal.argsort(1)
    count = max(1, min(BINS, order.shape[1] // SMALLEST_BIN))
    means, variances = [], []
    for chosen in order.tensor_split(count, 1):
        of_bin = details.flatten(2).gather(2, chosen[:, None].expand(-1, details.shape[1], -1))
        means.append(signal.gather(1, chosen).mean(1).clamp_min(0))
        variances.append((of_bin.flatten(1).median(1).values / NORMAL_MEDIAN).square())
    x, y = torch.stack(means, 1), torch.stack(variances, 1)
    # An estimate of a variance is off in proportion to it.
    weight = 1 / y.clamp_min(1e-3 * y.amax(1, keepdim=True) + 1e-12).square()
    weight = weight / weight.sum(1, keepdim=True)
    mean_x, mean_y = (weight * x).sum(1), (weight * y).sum(1)
    spread = (weight * (x - mean_x[:, None]).square()).sum(1)
    slope = (weight * (x - mean_x[:, None]) * y).sum(1) / spread.clamp_min(1e-12)
    slope = torch.where(spread > 1e-6, slope, 0).clamp_min(0)
    offset = mean_y - slope * mean_x
    through_zero = (weight * x * y).sum(1) / (weight * x.square()).sum(1).clamp_min(1e-12)
    slope = torch.where(offset < 0, through_zero, slope)
    return torch.stack([slope, offset.clamp_min(0)], 1)


def level_map(level: Tensor, noisy: Tensor) -> Tensor:
    """Return the standard deviation of noise at each pixel, (B, 1, H, W), for images in [0, 1].

    Args:
        level: Sigma in grey levels, (B,), or slope and offset of the variance, (B, 2).
        noisy: Images, (B, C, H, W).
    """
    if level.ndim == 2:
        slope, offset = (level.to(noisy)[:, i].view(-1, 1, 1, 1) for i in (0, 1))
        return (slope * noisy.mean(1, keepdim=True).clamp_min(0) + offset).sqrt()
    # Not len(noisy): torch.export would fix the batch size.
    shape = noisy.shape[0], 1, *noisy.shape[2:]
    return sigma_to_unit(level).to(noisy).view(-1, 1, 1, 1).expand(shape)


def _details(noisy: Tensor) -> Tensor:
    """Return the absolute diagonal details of Haar wavelets, (B, C, H - 1, W - 1).

    Raises:
        ValueError: If an image is less than 2 pixels high or wide.
    """
    H, W = noisy.shape[-2:]
    if min(H, W) < 2:
        raise ValueError(f"the noise of an image of {H}x{W} pixels cannot be estimated: give sigma")
    noisy = central_window(noisy)
    rows = noisy[..., 1:, :] - noisy[..., :-1, :]
    return ((rows[..., 1:] - rows[..., :-1]) / 2).abs()


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
