"""Read one image file, of 8 or 16 bits a sample, whatever its format, and trust nothing in it."""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image, ImageOps

from denoise.image_io import pixels as samples
from denoise.image_io import png
from denoise.image_io.exif import ORIENTATION

MAX_PIXELS = 178_956_970  # from here on PIL refuses by itself

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, in thousandths
_SKIP = "on_error=skip leaves such files out"

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its complaints end up in ImageError


class ImageError(ValueError):
    """An image file that cannot be used, and what to do about it, in one line."""


class Header(NamedTuple):
    """What a file says of itself before it is decoded."""

    reader: str
    height: int
    width: int
    itemsize: int


def read_header(path: str | Path) -> Header:
    """Look at a file's size and depth without decoding it.

    Raises:
        ImageError: If it is no image, or one too large to be decoded safely.
    """
    path = Path(path)
    with failures(path):
        with path.open("rb") as file:
            start = file.read(26)
        if not start:
            raise ValueError("0 bytes")
        reader = "PIL"
        if start[:4] in TIFF:
            with tifffile.TiffFile(path) as tiff:
                page = tiff.pages.first
                height, width, itemsize = page.imagelength, page.imagewidth, 2
                if page.dtype not in (np.uint8, np.bool_):
                    reader = "tifffile"
        elif start.startswith(b"\x89PNG") and start[24:25] == b"\x10":
            # PIL silently reduces 16-bit colour PNG to 8 bits
            reader, itemsize = "PNG", 2
            width, height = (int.from_bytes(start[i : i + 4], "big") for i in (16, 20))
        if reader == "PIL":
            with open_image(path) as image:
                (width, height), itemsize = image.size, 1
        if not 0 < height * width <= MAX_PIXELS:
            raise ValueError(f"{height}x{width} pixels, {MAX_PIXELS} at most")
        return Header(reader, height, width, itemsize)


def read_image(path: str | Path, channels: int) -> np.ndarray:
    """Read a PNG, JPEG, WebP, BMP or TIFF file as (H, W, channels), uint8 or uint16.

    Colour becomes grey by BT.601 luma, alpha is dropped, EXIF orientation is applied; a floating
    point TIFF in [0, 1] becomes uint16.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB; any other number must be the file's own.

    Raises:
        ImageError: If the file is missing, damaged, too large, or of other channels.
    """
    path = Path(path)
    header = read_header(path)
    with failures(path):
        pixels = _READERS[header.reader](path)
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if channels == 1 and have in (3, 4):
        grey = (pixels[..., :3] @ _LUMA + 500) // 1000
        return grey.astype(pixels.dtype)[..., None]
    if (channels, have) in ((1, 2), (3, 4)):
        return pixels[..., :channels]
    kind, fits = ("grey", 1) if have < 3 else (f"of {have} channels", min(have, 3))
    raise ImageError(
        f"{path} is {kind}, but channels={channels} was asked for: set channels={fits}; {_SKIP}"
    )


@contextmanager
def failures(path: Path, remedy: str = f"fix or remove it; {_SKIP}") -> Iterator[None]:
    """Turn whatever a decoder raises on a file into one line with a remedy, and silence it.

    Raises:
        ImageError: For any exception inside.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist: check the path") from None
    except PermissionError:
        raise ImageError(f"{path} may not be read by you: change its permissions") from None
    except Exception as error:  # decoders raise anything on damaged or hostile bytes
        reason = " ".join(str(error).replace(str(path), "file").split())
        if isinstance(error, LookupError | struct.error):  # worded for programmers
            reason = "the file is damaged"
        elif " " not in reason:
            reason = type(error).__name__
        if "imagecodecs" in reason:
            remedy = "run `pip install imagecodecs` or save it uncompressed"
        raise ImageError(f"{path} cannot be read ({reason}): {remedy}") from error


def open_image(path: Path) -> Image.Image:
    """Open a file of the five formats, and of no other, with PIL."""
    return Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "TIFF"))


def _read_pil(path: Path) -> np.ndarray:
    with open_image(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode == "1":
            image = image.convert("L")
        elif image.mode not in ("L", "LA", "RGB", "RGBA"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _read_png16(path: Path) -> np.ndarray:
    with open_image(path) as image:
        pixels = png.deep(image, path)
        return samples.upright(pixels, image.getexif().get(ORIENTATION, 1))


def read_tiff_page(page: tifffile.TiffPage) -> np.ndarray:
    """Decode a grey or RGB page of uint16 or floating point samples as (H, W, C)."""
    if page.axes not in ("YX", "YXS", "SYX") or page.photometric not in (0, 1, 2):
        raise ValueError(f"TIFF of axes {page.axes} and colours {page.photometric!s}")
    if page.dtype.kind != "f" and page.dtype != np.uint16:
        raise ValueError(f"TIFF of {page.dtype} samples, save it with 8 or 16 bits")
    pixels = page.asarray()
    if page.photometric == 0:  # white is zero
        pixels = (1 if pixels.dtype.kind == "f" else 65535) - pixels
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def check_range(pixels: np.ndarray, slack: float = 0) -> None:
    """Refuse floating point samples further than `slack` outside [0, 1].

    Raises:
        ValueError: If there are any.
    """
    low, high = pixels.min(), pixels.max()
    if not (low >= -slack and high <= 1 + slack):
        values = f"values from {low:.4g} to {high:.4g}, outside [0, 1]"
        raise ValueError(f"floating point TIFF with {values}, rescale it")


def _read_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.nbytes > 8 * 4 * MAX_PIXELS:
            raise ValueError(f"TIFF of {page.nbytes} bytes")
        pixels = read_tiff_page(page)
    if pixels.dtype.kind == "f":
        check_range(pixels)
        pixels = np.rint(pixels * 65535).astype(np.uint16)
    return pixels


_READERS = {"PIL": _read_pil, "PNG": _read_png16, "tifffile": _read_tiff}
