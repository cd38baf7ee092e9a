"""Read image files, which are not trusted, for training and for restoring."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from denoise.image_io import jpeg, metadata, png, tiff
from denoise.image_io.errors import ImageError, TooLargeError, wrap_errors
from denoise.image_io.formats import TIFF_MAGIC, open_image
from denoise.image_io.photo import Photo
from denoise.image_io.pixels import (
    apply_orientation,
    check_decoded,
    convert_dtype,
    from_pillow,
    split_alpha,
)

MAX_PIXELS = 178_956_970  # above it Pillow warns of a decompression bomb

ROUNDING = 1e-3  # how far values may be outside [0, 1] by rounding; they are clipped
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, in thousandths
_SKIP = "on_error=skip leaves such files out"

for _name in ("tifffile", "PIL"):  # whose errors are reported by ImageError
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def read_photo(path: str | Path, max_pixels: int = MAX_PIXELS, memory: float = math.inf) -> Photo:
    """Read a PNG, JPEG, WebP, BMP or TIFF file as it is, but upright, and CMYK as RGB.

    Args:
        path: The file.
        max_pixels: The most that all pages together may have; nothing larger is decoded.
        memory: Bytes that the process may take; what would not fit decoded is not decoded.

    Raises:
        ImageError: If the file is missing, not a picture, damaged, animated or too large.
    """
    path = Path(path)
    with wrap_errors(path, "give a whole PNG, JPEG, WebP, BMP or TIFF file"):
        try:
            return _decode(path, max_pixels, memory)
        except TooLargeError as error:
            raise ImageError(f"{path}: {error}") from None
        except Image.DecompressionBombError as error:
            remedy = f"set max_pixels above {max_pixels} if you trust it"
            raise ImageError(f"{path} is too large ({error}): {remedy}") from None


def read_images(path: str | Path, channels: int) -> list[np.ndarray]:
    """Read every page of such a file as (H, W, channels), uint8 or uint16.

    Colour becomes grey by BT.601 luma, alpha is dropped, EXIF orientation is applied; a floating
    point TIFF in [0, 1] becomes uint16. Pages of an OME-TIFF that are channels become one image.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB; any other number must be the file's own.

    Raises:
        ImageError: If the file is missing, damaged, animated, too large, or of other channels.
    """
    path = Path(path)
    with wrap_errors(path, f"fix or remove it; {_SKIP}"):
        photo = _decode(path, MAX_PIXELS, math.inf)
        images = []
        for index, page in enumerate(photo.pages):
            stored = (page, photo.alpha[index], photo.extra.get(index))
            pixels = np.concatenate([one for one in stored if one is not None], 2)
            if pixels.dtype.kind == "f":
                tiff.check_range(pixels, ROUNDING)
                pixels = convert_dtype(pixels, np.dtype(np.uint16))
            images.append(pixels)
        if photo.pages_are_channels:
            images = [np.concatenate(images, 2)]
    return [_with_channels(path, pixels, channels) for pixels in images]


def read_image(path: str | Path, channels: int) -> np.ndarray:
    """Read a file of one image as `read_images` does.

    Raises:
        ImageError: Likewise, or if the file holds several.
    """
    images = read_images(path, channels)
    if len(images) > 1:
        raise ImageError(f"{path} holds {len(images)} images: give a file of one")
    return images[0]


def _with_channels(path: Path, pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return an image in the channels asked for.

    Raises:
        ImageError: If it has others.
    """
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if channels == 1 and have in (3, 4):
        grey = (pixels[..., :3] @ _LUMA + 500) // 1000
        return grey.astype(pixels.dtype)[..., None]
    if (channels, have) in ((1, 2), (3, 4)):
        return np.ascontiguousarray(pixels[..., :channels])
    content, fits = ("grey", 1) if have < 3 else (f"of {have} channels", min(have, 3))
    raise ImageError(
        f"{path} is {content}, but channels={channels} was asked for: set channels={fits}; {_SKIP}"
    )


def _decode(path: Path, max_pixels: int, memory: float) -> Photo:
    if path.is_dir():
        raise ImageError(f"{path} is a folder: give the pictures in it")
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise ImageError(f"{path} is no file but a pipe or a device: give a picture")
    with path.open("rb") as file, _pillow_limit(max_pixels):
        start = file.read(4)
        if not start:
            raise ValueError("0 bytes")
        file.seek(0)
        if start in TIFF_MAGIC:
            photo = tiff.decode(path, file, max_pixels, memory)
        else:
            photo = _decode_single(path, file, max_pixels, memory)
    photo.warnings = list(dict.fromkeys(photo.warnings))
    return photo


@contextmanager
def _pillow_limit(pixels: int) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (pixels + 1) // 2  # Pillow raises above twice of it
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _decode_single(path: Path, file: IO[bytes], max_pixels: int, memory: float) -> Photo:
    photo = Photo([], [])
    if file.read(2) == jpeg.MAGIC:
        jpeg.check(file)
    file.seek(0)
    with open_image(file) as image:
        if image.width * image.height > max_pixels:
            raise Image.DecompressionBombError(f"{image.height}x{image.width} pixels")
        check_decoded(image.width * image.height * len(image.getbands()), memory)
        photo.format = str(image.format)
        frames = getattr(image, "n_frames", 1)
        if photo.format == "MPO":  # as many phones write
            photo.format = "JPEG"
            photo.warnings.append("The further pictures in the JPEG (preview, depth) are left out.")
        elif frames > 1:
            raise ImageError(f"{path} is an animation: give its {frames} frames as files")
        photo.lossy = photo.format == "JPEG" or (photo.format == "WEBP" and _is_lossy_webp(file))
        image.load()  # some metadata follow the pixels
        photo.metadata, orientation = metadata.read_metadata(image, file, photo.warnings)
        if photo.format == "PNG" and png.bit_depth(file) != 8:
            # Pillow reduces 16 bits of colour to 8, and misreads transparency of less than 8
            colour, alpha = split_alpha(png.decode(file))
        else:
            colour, alpha = from_pillow(image, photo.warnings)
        if image.mode == "CMYK":
            photo.metadata.icc = None
    photo.pages.append(apply_orientation(colour, orientation))
    photo.alpha.append(None if alpha is None else apply_orientation(alpha, orientation))
    return photo


def _is_lossy_webp(file: IO[bytes]) -> bool:
    file.seek(12)
    while len(head := file.read(8)) == 8 and head[:4] not in (b"VP8 ", b"VP8L"):
        file.seek(int.from_bytes(head[4:], "little") + 1 & ~1, 1)
    return head[:4] == b"VP8 "
