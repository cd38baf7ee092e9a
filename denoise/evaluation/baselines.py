"""Classical denoisers: callables `baseline(noisy, sigma) -> restored`.

Each takes one image, (1, C, H, W), and sigma, the standard deviation of the noise in grey levels,
or None, which estimates it. An image without noise is returned unchanged.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet
from torch import Tensor

from denoise.noise.estimation import estimate_sigma
from denoise.noise.synthetic import sigma_to_unit


def non_local_means(noisy: Tensor, sigma: float | None = None) -> Tensor:
    """Denoise by scikit-image's non-local means (Buades et al. 2005).

    The settings are within 0.01 dB of the best found on chelsea and coffee at sigma 25.

    Args:
        noisy: One image, (1, C, H, W).
        sigma: Standard deviation of the noise in grey levels; None estimates it.
    """

    def restore(image: np.ndarray, level: float) -> np.ndarray:
        return denoise_nl_means(
            image, patch_size=5, patch_distance=6, h=0.5 * level, sigma=level, channel_axis=-1
        )

    return _pixels(restore, noisy, sigma)


def wavelet(noisy: Tensor, sigma: float | None = None) -> Tensor:
    """Denoise by scikit-image's wavelet shrinkage with BayesShrink (Chang et al. 2000).

    Of nine wavelets db2 is the best on chelsea and coffee at sigma 15, 25 and 50; YCbCr gains 1.1,
    0.9 and 0.5 dB there over RGB.

    Args:
        noisy: One image, (1, C, H, W).
        sigma: Standard deviation of the noise in grey levels; None estimates it.

    Raises:
        ValueError: If PyWavelets is not installed.
    """
    _package("pywt", "wavelet", "pip install PyWavelets")

    def restore(image: np.ndarray, level: float) -> np.ndarray:
        colour = image.shape[2] == 3
        options = {"wavelet": "db2", "method": "BayesShrink", "rescale_sigma": True}
        return denoise_wavelet(image, sigma=level, convert2ycbcr=colour, channel_axis=-1, **options)

    return _pixels(restore, noisy, sigma)


def total_variation(noisy: Tensor, sigma: float | None = None) -> Tensor:
    """Denoise by scikit-image's total variation (Rudin et al. 1992; Chambolle 2004).

    The weight of 0.8 sigma is the best of 0.5, 0.6, ... 1.0 sigma on chelsea and coffee at sigma
    25; 0.7 gains 0.11 dB at 15, and 1.0 gains 0.35 dB at 50.

    Args:
        noisy: One image, (1, C, H, W).
        sigma: Standard deviation of the noise in grey levels; None estimates it.
    """

    def restore(image: np.ndarray, level: float) -> np.ndarray:
        return denoise_tv_chambolle(image, weight=0.8 * level, channel_axis=-1)

    return _pixels(restore, noisy, sigma)


def bm3d(noisy: Tensor, sigma: float | None = None) -> Tensor:
    """Denoise by block matching and 3-D filtering (Dabov et al. 2007), as Mäkinen et al. (2020).

    The package is the authors'; its licence allows non-commercial use only.

    Args:
        noisy: One image, (1, C, H, W), C 1 or 3.
        sigma: Standard deviation of the noise in grey levels; None estimates it.

    Raises:
        ValueError: If bm3d is not installed.
    """
    remedy = "pip install bm3d, whose licence allows non-commercial use only"
    package = _package("bm3d", "bm3d", remedy)

    def restore(image: np.ndarray, level: float) -> np.ndarray:
        call = package.bm3d_rgb if image.shape[2] == 3 else package.bm3d
        return call(image.astype(np.float64), level)

    return _pixels(restore, noisy, sigma)


def _pixels(
    restore: Callable[[np.ndarray, float], np.ndarray], noisy: Tensor, sigma: float | None
) -> Tensor:
    """Run a function of (H, W, C) pixels and the standard deviation in their unit on a tensor."""
    level = sigma_to_unit(estimate_sigma(noisy).item() if sigma is None else sigma)
    if level == 0:
        return noisy.clone()
    image = noisy[0].permute(1, 2, 0).cpu().numpy()
    restored = np.ascontiguousarray(restore(image, level)).reshape(image.shape)
    return torch.from_numpy(restored).permute(2, 0, 1)[None].to(noisy)


def _package(module: str, baseline: str, remedy: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise ValueError(f"baseline={baseline} needs a package: {remedy}") from error
