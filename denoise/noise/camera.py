"""Noise of a camera in a developed photograph: drawn in raw values, then developed."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from denoise.noise.profile import Level, read_profile
from denoise.noise.synthetic import Noise, Strength, bounds, normal, uniform
from denoise.option_checks import check_choice

# Brooks' read noise by shot noise: log read = 2.18 log shot + 1.20, with this deviation.
READ_SLOPE, READ_OFFSET, READ_DEVIATION = 2.18, 1.20, 0.26
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
           (0.0193339, 0.1191920, 0.9503041))  # fmt: skip
# From XYZ to the colours of four cameras, as their DNG files state them.
_CAMERAS = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
_BAYER = ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1))  # channel, row and column of each filter
VARIATION = 1.25  # of a calibrated level
_HIGHLIGHT = 0.9  # above it colours go to white, so that saturated pixels stay saturated
_GAMMA = 2.2


class Development(NamedTuple):
    """How a camera turns raw values into a photograph, for each image of a batch.

    Args:
        to_camera: From linear sRGB to the camera's colours, (B, 3, 3).
        gains: White balance and exposure, (B, 3, 1, 1).
    """

    to_camera: Tensor
    gains: Tensor

    def unprocess(self, photo: Tensor) -> Tensor:
        """Return the linear values of a sensor with all colours, from sRGB, (B, 3, H, W)."""
        tone = 0.5 - torch.sin(torch.asin(1 - 2 * photo.clamp(0, 1)) / 3)
        linear = _mix(self.to_camera, tone.clamp_min(1e-8) ** _GAMMA)
        brightness = linear.mean(1, keepdim=True)
        highlight = ((brightness - _HIGHLIGHT).clamp_min(0) / (1 - _HIGHLIGHT)).square()
        darker = 1 / self.gains
        return (linear * torch.maximum(highlight + (1 - highlight) * darker, darker)).clamp(0, 1)

    def process(self, raw: Tensor) -> Tensor:
        """Develop linear values of a sensor with all colours to sRGB, (B, 3, H, W)."""
        balanced = (raw * self.gains).clamp(0, 1)
        linear = _mix(torch.linalg.inv(self.to_camera), balanced).clamp(1e-8, 1)
        tone = linear ** (1 / _GAMMA)
        return 3 * tone.square() - 2 * tone**3


class Camera(Noise):
    """Shot and read noise of a sensor, developed (Brooks et al. 2019, arXiv 1811.11127).

    The clean photograph is traced back to raw values of a random camera, given noise in a Bayer
    pattern, and developed with and without it; their difference is added to the photograph. So
    noise depends on the signal and the colour, and neighbours share it.

    Args:
        shot: Variance a unit of signal in [0, 1], the inverse of the electrons at white; of a pair
            each image's is drawn, uniform in its logarithm. DNG's NoiseProfile calls it S.
        read: Variance at zero, O in DNG; None draws it by the shot noise as in the paper.
        row: Standard deviation of what all pixels of a row share, over that of the read noise.
        bits: Of a raw value.
        profile: A file of `denoise calibrate-noise`: shot, read and row noise are drawn between
            those of its lowest and highest ISO, each varied by up to a quarter.
        domain: "srgb", or "bayer": images are raw values in four packed channels, which are given
            noise as they are.

    Raises:
        ValueError: If images have other channels than the domain, an option is outside its limits,
            or the file no profile.
    """

    def __init__(
        self,
        shot: Strength = (1e-4, 0.012),
        read: Strength | None = None,
        *,
        row: float = 0.0,
        bits: int = 12,
        profile: str | None = None,
        domain: Literal["srgb", "bayer"] = "srgb",
    ) -> None:
        check_choice(("srgb", "bayer"), domain=domain)
        self.domain = domain
        self.shot = bounds("shot", shot)
        self.read = None if read is None else bounds("read", read)
        self.row, self.levels = bounds("row", row)[0], 2 ** int(bounds("bits", bits)[0]) - 1
        self.profile = None if profile is None else read_profile(profile)

    def _add_to(self, clean: Tensor, generator: Generator | None) -> Tensor:
        needed = 4 if self.domain == "bayer" else 3
        if clean.shape[1] != needed:
            raise ValueError(
                f"noise=camera with domain={self.domain} takes images of {needed} channels, got "
                f"{clean.shape[1]}"
            )
        with torch.autocast(clean.device.type, enabled=False):
            photo = clean.float() if clean.dtype.itemsize < 4 else clean
            if self.domain == "bayer":
                raw = F.pixel_shuffle(photo.clamp(0, 1), 2)
                noisy = self._expose(raw, *self._draw_levels(photo, generator), generator)
                return F.pixel_unshuffle(noisy, 2).to(clean.dtype)
            camera = draw_development(photo, generator)
            raw = mosaic(camera.unprocess(photo))
            noisy = self._expose(raw, *self._draw_levels(photo, generator), generator)
            developed = (camera.process(demosaic(values)) for values in (noisy, raw))
            residual = next(developed) - next(developed)
            return (photo + residual).clamp(0, 1).to(clean.dtype)

    def _expose(
        self, raw: Tensor, shot: Tensor, read: Tensor, row: Tensor, generator: Generator | None
    ) -> Tensor:
        """Return raw values (B, 1, H, W) with noise, clipped and quantised."""
        noisy = torch.poisson(raw / shot, generator) * shot
        noisy = noisy + read.sqrt() * normal(raw.shape, raw, generator)
        if row.any():
            noisy = noisy + row * normal((*raw.shape[:3], 1), raw, generator)
        return (noisy.clamp(0, 1) * self.levels).round() / self.levels

    def _draw_levels(
        self, like: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw shot, read and row noise for each image."""
        if self.profile is not None:
            return _draw_between(self.profile, like, generator)
        shot = _log_uniform(self.shot, like, generator)
        if self.read is not None:
            read = _log_uniform(self.read, like, generator)
        else:
            deviation = READ_DEVIATION * normal(shot.shape, like, generator)
            read = (READ_SLOPE * shot.log() + READ_OFFSET + deviation).exp()
        return shot, read, self.row * read.sqrt()


def draw_development(like: Tensor, generator: Generator | None) -> Development:
    """Draw a camera of the paper for each image of a batch (B, ...)."""
    B = len(like)
    weights = uniform((B, len(_CAMERAS), 1, 1), like, generator) + 1e-3
    cameras = like.new_tensor(_CAMERAS)
    to_camera = (weights * cameras).sum(1) / weights.sum(1) @ like.new_tensor(_TO_XYZ)
    to_camera = to_camera / to_camera.sum(2, keepdim=True)  # white stays white
    exposure = 1 / (0.8 + 0.1 * normal((B, 1), like, generator)).clamp_min(0.4)
    red, blue = (
        low + (high - low) * uniform((B, 1), like, generator)
        for low, high in ((1.9, 2.4), (1.5, 1.9))
    )
    gains = exposure * torch.cat([red, torch.ones_like(red), blue], 1)
    return Development(to_camera, gains[..., None, None])


def _draw_between(
    levels: Sequence[Level], like: Tensor, generator: Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw shot, read and row noise between the levels of a profile, on logarithmic scales."""
    shots, reads, rows = (np.array([level[i] for level in levels]) for i in (1, 2, 3))
    shares = uniform((len(like),), like, generator).cpu().numpy()
    drawn = np.log(shots[0]) + shares * (np.log(shots[-1]) - np.log(shots[0]))

    def between(known: np.ndarray) -> Tensor:
        if known.all():
            values = np.exp(np.interp(drawn, np.log(shots), np.log(known)))
        else:  # what is zero has no logarithm
            values = np.interp(drawn, np.log(shots), known)
        return like.new_tensor(values)[:, None, None, None]

    vary = [VARIATION ** (2 * uniform((len(like), 1, 1, 1), like, generator) - 1) for _ in range(2)]
    return between(shots) * vary[0], between(reads) * vary[1], between(rows) * vary[1].sqrt()


def mosaic(colours: Tensor) -> Tensor:
    """Keep one of three colours (B, 3, H, W) at each pixel, red first: (B, 1, H, W)."""
    return (colours * _filters(colours)).sum(1, keepdim=True)


def demosaic(raw: Tensor) -> Tensor:
    """Interpolate the colours of (B, 1, H, W) from their next neighbours: (B, 3, H, W)."""
    H, W = raw.shape[-2:]
    if min(H, W) < 2:  # a single row has no blue
        raw = F.pad(raw, (0, max(0, 2 - W), 0, max(0, 2 - H)), mode="replicate")
    filters = _filters(raw)
    cross, square = [[0, 1, 0], [1, 4, 1], [0, 1, 0]], [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    kernel = raw.new_tensor([square, cross, square])[:, None]
    known = F.conv2d(filters, kernel, padding=1, groups=3)
    return (F.conv2d(raw * filters, kernel, padding=1, groups=3) / known)[..., :H, :W]


def _filters(like: Tensor) -> Tensor:
    """Return where each colour is measured, (1, 3, H, W) of zeros and ones."""
    filters = like.new_zeros(1, 3, *like.shape[-2:])
    for channel, row, column in _BAYER:
        filters[:, channel, row::2, column::2] = 1
    return filters


def _mix(matrices: Tensor, images: Tensor) -> Tensor:
    return torch.einsum("bij,bjhw->bihw", matrices, images)


def _log_uniform(limits: tuple[float, float], like: Tensor, generator: Generator | None) -> Tensor:
    low, high = (math.log(max(value, 1e-12)) for value in limits)
    return (low + (high - low) * uniform((len(like), 1, 1, 1), like, generator)).exp()
