"""Linear values of a sensor from pictures of 8 or 16 bits, or from raw files."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from denoise.image_io.errors import ImageError, wrap_errors
from denoise.image_io.read import read_photo
from denoise.option_checks import check_choice

RAW_SUFFIXES = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2")
MOSAICS = ("RGGB", "BGGR", "GRBG", "GBRG")


class SensorFrame(NamedTuple):
    """One exposure: its planes (H, W, C) as stored, and the values of black and white it states.

    A mosaic has four planes of half the size; `developed` tells a picture that was compressed with
    losses, whose values are not linear.
    """

    planes: np.ndarray
    black: float | None
    white: float
    developed: bool


def read_sensor(path: Path, mosaic: str | None) -> SensorFrame:
    """Read one exposure.

    Args:
        path: A picture, or a raw file.
        mosaic: How the colours lie in pictures of one channel; raw files tell by themselves.

    Raises:
        ImageError: If it cannot be read, or raw files are not supported by this installation.
    """
    if mosaic is not None:
        check_choice(MOSAICS, mosaic=mosaic)
    if path.suffix.lower() in RAW_SUFFIXES:
        return _read_raw(path)
    photo = read_photo(path)
    pixels = photo.pages[0]
    if pixels.dtype.kind == "f":
        return SensorFrame(pixels, None, 1.0, developed=False)
    planes = pixels if mosaic is None else _unpack(path, pixels)
    return SensorFrame(planes, None, float(np.iinfo(pixels.dtype).max), photo.lossy)


def _read_raw(path: Path) -> SensorFrame:
    try:
        import rawpy
    except ImportError:
        raise ImageError(
            f"{path} is a raw file: pip install 'denoise[raw]' reads it, or save it as TIFF of 16 "
            "bits without development"
        ) from None
    with wrap_errors(path, "give a whole raw file"), rawpy.imread(str(path)) as raw:
        blacks = raw.black_level_per_channel
        stored = raw.raw_image_visible.copy()
        # Linear DNGs and small raws hold all colours at each pixel.
        planes = stored[..., :3] if stored.ndim == 3 else _unpack(path, stored[..., None])
        return SensorFrame(
            planes, float(np.mean(blacks)), float(raw.white_level),
            developed=False,
        )  # fmt: skip


def _unpack(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Return the four planes of a mosaic (H, W, 1), by rows: (H / 2, W / 2, 4)."""
    if pixels.shape[2] != 1:
        raise ImageError(f"{path} has {pixels.shape[2]} channels, so it is no mosaic: leave it out")
    rows, columns = (length // 2 * 2 for length in pixels.shape[:2])
    even = pixels[:rows, :columns, 0]
    return np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)], 2)
