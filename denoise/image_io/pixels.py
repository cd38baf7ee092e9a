"""Pixel arrays: orientation, alpha, and the range of values of each data type."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms

from denoise.image_io.errors import TooLargeError

# the value of white for each type of pixels
WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}

COPIES = 3  # of the decoded pixels that are held at once: read, restored, written

_ORIENTATIONS = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


def check_decoded(size: int, memory: float) -> None:
    """Refuse a picture before it is decoded whose pixels, read and restored, take too much memory.

    Args:
        size: Bytes of the decoded pixels, as the header states them.
        memory: Bytes that the process may take.

    Raises:
        TooLargeError: If they are too many.
    """
    if COPIES * size > memory:
        raise TooLargeError(
            f"its pixels, read and restored, take {COPIES * size / 2**30:.1f} GiB, and memory is "
            f"{memory / 2**30:.2g} GiB: give more memory"
        )


def apply_orientation(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn (H, W, C) upright by EXIF's orientation, 1 to 8; other numbers leave it as it is."""
    return np.ascontiguousarray(_ORIENTATIONS.get(orientation, lambda x: x)(pixels))


def split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split (H, W) or (H, W, 1 to 4) into grey or colour, and alpha if there is any."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    colours = 1 if pixels.shape[2] < 3 else 3
    return pixels[..., :colours], pixels[..., colours:] if pixels.shape[2] > colours else None


def from_pillow(image: Image.Image, warnings: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the colour and alpha of an 8-bit image that Pillow has loaded, CMYK as sRGB."""
    if image.mode == "CMYK":
        warnings.append("CMYK became RGB (sRGB).")
        image = _to_srgb(image)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("LA" if grey else "RGBA")
    else:
        image = image.convert("L" if grey else "RGB")
    return split_alpha(np.asarray(image))


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = io.BytesIO(image.info.get("icc_profile") or b"")
    srgb = ImageCms.createProfile("sRGB")
    with suppress(ImageCms.PyCMSError):  # no valid profile
        if converted := ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB"):
            return converted
    return image.convert("RGB")


def unpremultiply(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Undo the multiplication of colours with alpha."""
    white = WHITE[pixels.dtype]
    colour = pixels * (white / np.where(alpha > 0, alpha, np.inf))
    if pixels.dtype.kind == "u":
        colour = np.rint(np.minimum(colour, white))
    return colour.astype(pixels.dtype)


def composite_on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Composite uint8 pixels on white by their alpha."""
    weight = alpha.astype(np.uint32)
    return ((pixels * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def convert_dtype(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Scale pixels to another type's range; floats are clipped to [0, 1] on the way to integers."""
    if pixels.dtype == dtype:
        return pixels
    have, want = WHITE[pixels.dtype], WHITE[dtype]
    if dtype.kind == "f":
        return (pixels / have).astype(dtype)
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0, 1)
    return np.rint(pixels * (want / have)).astype(dtype)
