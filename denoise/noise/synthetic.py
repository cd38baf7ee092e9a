"""Noise models: pure callables `noise(clean, generator) -> noisy` with a strength per image."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from kornia.enhance import jpeg_codec_differentiable
from kornia.filters import filter2d_separable, get_gaussian_kernel1d
from torch import Generator, Tensor

Strength = float | Sequence[float]
Sigma = TypeVar("Sigma", float, Tensor)

LIMITS = {
    "sigma": (0, math.inf),
    "peak": (1e-3, math.inf),
    "amount": (0, 1),
    "quality": (1, 100),
    "correlation_sigma": (0.1, math.inf),
    "shot": (1e-7, 1),
    "read": (0, 1),
    "row": (0, 100),
    "bits": (8, 16),
}


def sigma_to_unit(sigma: Sigma) -> Sigma:
    """Convert a standard deviation in grey levels to the scale of the images."""
    return sigma / 255


def add_gaussian(clean: Tensor, sigma: Sigma, field: Tensor) -> Tensor:
    """Add Gaussian noise.

    Args:
        clean: Images, (B, C, H, W).
        sigma: Standard deviation in grey levels, a number or (B, 1, 1, 1).
        field: Standard normal values, which broadcast to clean.
    """
    return clean + sigma_to_unit(sigma) * field


class Noise(ABC):
    """Base class; a strength is a number, or a pair [low, high] to draw each image's from.

    Raises:
        ValueError: If a strength is neither, or outside its limits.
    """

    def __call__(self, clean: Tensor, generator: Generator | None = None) -> Tensor:
        """Return noisy images, clipped only where the noise says so.

        Args:
            clean: Images, (B, C, H, W).
            generator: Source of all randomness, on the device of clean.
        """
        return self._add_to(clean, generator)

    @abstractmethod
    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor: ...


class NoNoise(Noise):
    """Nothing is added: for training on images that are noisy as they are."""

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        return clean.clone()


class Gaussian(Noise):
    """White noise of standard deviation `sigma`."""

    def __init__(self, sigma: Strength) -> None:
        self.sigma = bounds("sigma", sigma)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        sigma = _draw(self.sigma, clean, generator)
        return add_gaussian(clean, sigma, normal(clean.shape, clean, generator))


class Poisson(Noise):
    """Shot noise: photon counts over `peak`, the photons at white."""

    def __init__(self, peak: Strength) -> None:
        self.peak = bounds("peak", peak)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        peak = _draw(self.peak, clean, generator)
        return torch.poisson(clean * peak, generator) / peak


class PoissonGaussian(Noise):
    """Shot noise of `peak` photons at white, then white read noise (Foi et al. 2008)."""

    def __init__(self, peak: Strength, sigma: Strength) -> None:
        self.peak = bounds("peak", peak)
        self.sigma = bounds("sigma", sigma)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        return Gaussian(self.sigma)(Poisson(self.peak)(clean, generator), generator)


class Speckle(Noise):
    """White noise of standard deviation `sigma` at white, in proportion to the clean value."""

    def __init__(self, sigma: Strength) -> None:
        self.sigma = bounds("sigma", sigma)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        sigma = _draw(self.sigma, clean, generator)
        return clean + sigma_to_unit(sigma) * clean * normal(clean.shape, clean, generator)


class SaltPepper(Noise):
    """A fraction `amount` of all values, each channel by itself, replaced: half by 0, half by 1."""

    def __init__(self, amount: Strength) -> None:
        self.amount = bounds("amount", amount)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        amount = _draw(self.amount, clean, generator)
        drawn = uniform(clean.shape, clean, generator)
        return torch.where(drawn < amount, (drawn < amount / 2).to(clean.dtype), clean)


class Jpeg(Noise):
    """White noise, clipped, then JPEG of `quality` (Reich et al. 2024, arXiv 2309.06978).

    The codec is differentiable: its smooth rounding keeps the artefacts of a JPEG file up to a
    third of their size (root mean square).

    Raises:
        ValueError: If images are neither grey nor RGB.
    """

    def __init__(self, sigma: Strength, quality: Strength) -> None:
        self.sigma = bounds("sigma", sigma)
        self.quality = bounds("quality", quality)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        channels = clean.shape[1]
        if channels not in (1, 3):
            raise ValueError(f"JPEG takes images of 1 or 3 channels, got {channels}")
        noisy = Gaussian(self.sigma)(clean, generator).clamp(0, 1)
        quality = _draw(self.quality, clean, generator).flatten()
        return jpeg_codec_differentiable(noisy.expand(-1, 3, -1, -1), quality)[:, :channels]


class Correlated(Noise):
    """Noise of std `sigma`, blurred by a Gaussian whose std is `correlation_sigma` pixels."""

    def __init__(self, sigma: Strength, correlation_sigma: Strength) -> None:
        self.sigma = bounds("sigma", sigma)
        self.correlation_sigma = bounds("correlation_sigma", correlation_sigma)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        B, C, H, W = clean.shape
        sigma = _draw(self.sigma, clean, generator)
        correlation_sigma = _draw(self.correlation_sigma, clean, generator).view(B, 1)
        radius = math.ceil(4 * self.correlation_sigma[1])
        field = normal((B, C, H + 2 * radius, W + 2 * radius), clean, generator)
        kernel = get_gaussian_kernel1d(2 * radius + 1, correlation_sigma)
        kernel = kernel / kernel.norm(dim=1, keepdim=True)  # so that the blur keeps the variance
        with torch.autocast(clean.device.type, enabled=False):
            field = filter2d_separable(field, kernel, kernel, padding="valid")
        return add_gaussian(clean, sigma, field)


def bounds(name: str, strength: Strength) -> tuple[float, float]:
    """Return a strength as a pair.

    Raises:
        ValueError: If it is neither a number nor a pair, or outside its limits.
    """
    minimum, maximum = LIMITS[name]
    pair = [strength] * 2 if isinstance(strength, int | float) else list(strength or ())
    numbers = len(pair) == 2 and all(isinstance(value, int | float) for value in pair)
    if not numbers or not minimum <= pair[0] <= pair[1] <= maximum:
        raise ValueError(
            f"{name}={strength}: expected a number or a pair [low, high], "
            f"{minimum} <= low <= high <= {maximum}"
        )
    return pair[0], pair[1]


def _draw(bounds: tuple[float, float], clean: Tensor, generator: Generator | None) -> Tensor:
    low, high = bounds
    return low + (high - low) * uniform((len(clean), 1, 1, 1), clean, generator)


def normal(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw standard normal values of a tensor's dtype and device."""
    return torch.randn(*shape, generator=generator, dtype=like.dtype, device=like.device)


def uniform(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw values in [0, 1) of a tensor's dtype and device."""
    return torch.rand(*shape, generator=generator, dtype=like.dtype, device=like.device)
