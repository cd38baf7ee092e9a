"""Classical denoisers to compare with: callables `baseline(noisy, sigma) -> restored`."""

import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

from denoise.noise import to_unit


def non_local_means(noisy: Tensor, sigma: float | None = None) -> Tensor:
    """Denoise by scikit-image's non-local means (Buades et al. 2005).

    The settings are within 0.01 dB of the best found on chelsea and coffee at sigma 25.

    Args:
        noisy: One image, (1, C, H, W).
        sigma: Standard deviation of the noise in grey levels; None estimates it.
    """
    level = to_unit(estimate_sigma(noisy) if sigma is None else sigma)
    if level == 0:
        return noisy.clone()
    image = noisy[0].permute(1, 2, 0).cpu().numpy()
    restored = denoise_nl_means(
        image, patch_size=5, patch_distance=6, h=0.5 * level, sigma=level, channel_axis=-1
    )
    return torch.from_numpy(restored.reshape(image.shape)).permute(2, 0, 1)[None].to(noisy)


def estimate_sigma(noisy: Tensor) -> float:
    """Estimate the standard deviation of white noise, in grey levels, from the diagonal details.

    The median rule of Donoho and Johnstone (1994) on Haar wavelets.

    Args:
        noisy: Images, (B, C, H, W), H and W at least 2.
    """
    rows = noisy[..., 1:, :] - noisy[..., :-1, :]
    details = (rows[..., 1:] - rows[..., :-1]) / 2
    return details.abs().median().item() / 0.6745 / to_unit(1.0)
