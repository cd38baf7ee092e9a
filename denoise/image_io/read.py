"""Read image files, which are not trusted, for training and for restoring."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from denoise.image_io import arrays, jpeg, metadata, png, tiff
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
from denoise.image_io.stacks import all_channels
from denoise.image_io.value_range import ValueRange, bounds_of, to_fraction, unused_bits

MAX_PIXELS = 178_956_970  # above it Pillow warns of a decompression bomb

ROUNDING = 1e-3  # how far values may be outside [0, 1] by rounding; they are clipped
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, in thousandths
OUTSIDE = 0.01  # share of the values that may be clipped without a word
_SKIP = "on_error=skip leaves such files out"

_told: set[str] = set()

for _name in ("tifffile", "PIL"):  # whose errors are reported by ImageError
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def read_photo(
    path: str | Path,
    max_pixels: int = MAX_PIXELS,
    memory: float = math.inf,
    value_range: ValueRange = "auto",
) -> Photo:
    """Read a PNG, JPEG, WebP, BMP or TIFF file as it is, but upright, and CMYK as RGB.

    Args:
        path: The file.
        max_pixels: The most that all pages together may have; nothing larger is decoded.
        memory: Bytes that the process may take; what would not fit decoded is not decoded.
        value_range: What the values of a TIFF lie in; they stay as they are.

    Raises:
        ImageError: If the file is missing, not a picture, damaged, animated or too large.
    """
    path = Path(path)
    with wrap_errors(path, "give a whole PNG, JPEG, WebP, BMP or TIFF file"):
        try:
            return _decode(path, max_pixels, memory, value_range)
        except TooLargeError as error:
            raise ImageError(f"{path}: {error}") from None
        except Image.DecompressionBombError as error:
            remedy = f"set max_pixels above {max_pixels} if you trust it"
            raise ImageError(f"{path} is too large ({error}): {remedy}") from None


def read_images(
    path: str | Path, channels: int, value_range: ValueRange = "auto"
) -> list[np.ndarray]:
    """Read every page, frame or array of such a file, of a GIF, .npy or .zarr as (H, W, channels).

    Pixels are uint8 or uint16; floating point values in [0, 1], and all of a declared range, become
    uint16. Colour becomes grey by BT.601 luma, grey is repeated for RGB, alpha is dropped, EXIF
    orientation is applied. Pages of an OME-TIFF that are channels become one image.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB; any other number must be the file's own.
        value_range: The values that become black and white.

    Raises:
        ImageError: If the file is missing, damaged, too large, or of other channels.
    """
    path = Path(path)
    with wrap_errors(path, f"fix or remove it; {_SKIP}"):
        if path.suffix.lower() in arrays.SUFFIXES:
            images = arrays.read(path, channels, MAX_PIXELS)
        else:
            photo = _decode(path, MAX_PIXELS, math.inf, value_range, frames=True)
            images = [all_channels(photo, page) for page in range(len(photo.pages))]
            if photo.pages_are_channels:
                images = [np.concatenate(images, 2)]
        images = [_with_range(path, pixels, value_range) for pixels in images]
    return [_with_channels(path, pixels, channels) for pixels in images]


def _with_range(path: Path, pixels: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Return pixels as uint8 or uint16 whose white is that of a range."""
    if value_range == "auto":
        if note := unused_bits(pixels):
            _tell(path, note)
        if pixels.dtype.kind != "f":
            return pixels
        tiff.check_range(pixels, ROUNDING)
        return convert_dtype(pixels, np.dtype(np.uint16))
    unit = to_fraction(pixels, bounds_of(pixels, value_range))
    if value_range != "percentile" and (outside := np.mean((unit < 0) | (unit > 1))) > OUTSIDE:
        _tell(path, f"{outside:.0%} of the values lie outside range={list(value_range)}: clipped")
    return convert_dtype(unit, np.dtype(np.uint16))


def _tell(path: Path, note: str) -> None:
    """Log a note on the first file that it holds for."""
    if note not in _told:
        _told.add(note)
        logging.getLogger("denoise").warning("%s: %s (told once)", path, note)


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
    if channels == 3 and have < 3:
        _tell(path, "a grey image is repeated for the three channels")
        return pixels[..., :1].repeat(3, axis=2)
    if (channels, have) in ((1, 2), (3, 4)):
        return np.ascontiguousarray(pixels[..., :channels])
    content, fits = ("grey", 1) if have < 3 else (f"of {have} channels", min(have, 3))
    raise ImageError(
        f"{path} is {content}, but channels={channels} was asked for: set channels={fits}; {_SKIP}"
    )


def _decode(
    path: Path, max_pixels: int, memory: float, value_range: ValueRange, *, frames: bool = False
) -> Photo:
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
            declared = value_range != "auto"
            photo = tiff.decode(path, file, max_pixels, memory, declared=declared)
        elif frames:
            photo = _decode_frames(file, max_pixels) or _decode_single(file, max_pixels, memory)
        else:
            photo = _decode_single(file, max_pixels, memory)
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


def _decode_frames(file: IO[bytes], max_pixels: int) -> Photo | None:
    """Return the frames of an animated WebP or GIF as pages; None for a file of one picture."""
    with suppress(UnidentifiedImageError), open_image(file, animated=True) as image:
        frames = getattr(image, "n_frames", 1)
        if image.format == "MPO" or (frames == 1 and image.format != "GIF"):
            return None
        if frames * image.width * image.height > max_pixels:
            raise Image.DecompressionBombError(f"{frames} frames of {image.height}x{image.width}")
        decoded = [from_pillow(frame, []) for frame in ImageSequence.Iterator(image)]
        return Photo([colour for colour, _ in decoded], [alpha for _, alpha in decoded])
    return None


def _decode_single(file: IO[bytes], max_pixels: int, memory: float) -> Photo:
    photo = Photo([], [])
    file.seek(0)
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
            raise ValueError(f"an animation: give its {frames} frames as files")
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
