"""Protocols: how noise is added for an evaluation, and how the output is scored.

All images of one shape get the same noise field: published numbers depend on it. A protocol with
`needs_sigma` runs once for every noise level, another runs once with sigma None.
"""

import logging
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from denoise.data.sets import ImageSet
from denoise.metrics import psnr, quantize, ssim
from denoise.noise.synthetic import Gaussian, Noise, add_gaussian


class Protocol(ABC):
    """Base class: the scoring that all protocols share.

    Attributes:
        name: Name of its config.
        needs_sigma: Whether `add_noise` takes a noise level.
    """

    name: str
    needs_sigma: bool

    @abstractmethod
    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return the noisy images, (B, C, H, W).

        Args:
            clean: Images, (B, C, H, W).
            sigma: Standard deviation in grey levels, if the protocol needs one.
            real_noisy: The photographed partner of clean, if the data set has one.

        Raises:
            ValueError: If sigma or real_noisy is needed and missing.
        """

    def score(self, restored: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """Return PSNR in dB and SSIM, (B,) each, of restored after rounding to 8 bits."""
        restored = quantize(restored)
        return {"psnr": psnr(restored, clean), "ssim": ssim(restored, clean)}


class Kair(Protocol):
    """Gaussian noise as in KAIR: float64, from numpy's seed 0, neither clipped nor rounded."""

    name = "kair"
    needs_sigma = True

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return clean plus noise; see `Protocol.add_noise`."""
        if not isinstance(sigma, int | float) or not 0 <= sigma < float("inf"):
            raise ValueError(f"protocol {self.name} needs one sigma >= 0, got {sigma}")
        C, H, W = clean.shape[1:]
        field = torch.from_numpy(np.random.RandomState(0).standard_normal((H, W, C)))
        return add_gaussian(clean.cpu().double(), sigma, field.permute(2, 0, 1)).to(clean)


class SwinIRBGR(Kair):
    """As `Kair`, but drawn for the channels blue, green, red in this order, as in SwinIR."""

    name = "swinir_bgr"

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return clean plus noise; see `Protocol.add_noise`."""
        return super().add_noise(clean.flip(1), sigma).flip(1)


class Clipped8(Kair):
    """As `Kair`, then clipped and rounded to the 8 bits of an image file."""

    name = "clipped8"

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return clean plus noise, rounded; see `Protocol.add_noise`."""
        return quantize(super().add_noise(clean, sigma))


class Independent(Protocol):
    """Gaussian noise of its own for every image, neither clipped nor rounded.

    The field depends on the pixels of the image and on the draw alone: the same for every model,
    whatever the order. Intervals over several draws need it, published tables `Kair`.

    Args:
        draw: Number of the field.
    """

    name = "independent"
    needs_sigma = True

    def __init__(self, draw: int = 0) -> None:
        self.draw = draw

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return clean plus noise; see `Protocol.add_noise`."""
        if not isinstance(sigma, int | float) or not 0 <= sigma < float("inf"):
            raise ValueError(f"protocol {self.name} needs one sigma >= 0, got {sigma}")
        noisy = []
        for image in clean.cpu():
            levels = np.ascontiguousarray((image * 255).round().to(torch.uint8).numpy())
            rng = np.random.default_rng((zlib.crc32(levels.tobytes()), self.draw))
            field = torch.from_numpy(rng.standard_normal(image.shape))
            noisy.append(add_gaussian(image.double(), sigma, field))
        return torch.stack(noisy).to(clean)


class Real(Protocol):
    """Real noise: the photographed noisy partner of each clean image."""

    name = "real"
    needs_sigma = False

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return the photographed noisy image; see `Protocol.add_noise`."""
        if real_noisy is None:
            raise ValueError("protocol real needs noisy and clean images in pairs: use data=pairs")
        return real_noisy


class Seeded(Protocol):
    """Any synthetic noise, from a generator seeded with 0 for every image.

    The noise is drawn on the CPU, so that scores do not depend on the device.

    Args:
        noise: Maps clean (1, C, H, W) and a generator to noisy.
    """

    name = "seeded"
    needs_sigma = False

    def __init__(self, noise: Noise) -> None:
        self.noise = noise

    def add_noise(
        self, clean: Tensor, sigma: float | None, real_noisy: Tensor | None = None
    ) -> Tensor:
        """Return clean with the noise; see `Protocol.add_noise`."""
        images = clean.cpu().split(1)
        return torch.cat([self.noise(x, torch.Generator().manual_seed(0)) for x in images]).to(
            clean.device
        )


def follow(
    sets: Mapping[str, ImageSet], noise: Noise | None, protocol: Protocol, *, insisted: bool
) -> Protocol:
    """Return the protocol that image sets and noise call for, unless the user insists on another.

    Pairs are measured with their photographed noise, and noise that is not Gaussian by seeded
    draws: Gaussian noise on either would measure something else.

    Args:
        sets: Image sets by name.
        noise: Of the training, or of the evaluation; None stands for any Gaussian.
        protocol: From the config.
        insisted: Whether the user named it.

    Raises:
        ValueError: If some sets are pairs and others are not.
    """
    pairs = [name for name, images in sets.items() if images.noisy is not None]
    instead: Protocol | None = None
    if pairs and not isinstance(protocol, Real):
        instead, reason = Real(), f"{', '.join(pairs)} has noisy photographs"
        if len(pairs) < len(sets) and not insisted:
            others = ", ".join(name for name in sets if name not in pairs)
            raise ValueError(
                f"{', '.join(pairs)} has noisy photographs, {others} has none: measure them apart, "
                "or add noise to all with protocol=kair"
            )
    elif not pairs and protocol.needs_sigma and not isinstance(noise, Gaussian | None):
        instead, reason = Seeded(noise), f"the noise is {type(noise).__name__}, not Gaussian"
    if instead is None:
        return protocol
    if insisted:
        logging.getLogger("denoise").warning(
            "protocol=%s is measured, though %s: protocol=%s", protocol.name, reason, instead.name
        )
        return protocol
    return instead
