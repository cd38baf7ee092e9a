"""The image formats that are read and written, and the limits of each."""

from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image


class Format(NamedTuple):
    """Limits of the files of a format.

    Args:
        suffixes: Suffixes of its file names.
        bits: Largest bit depth of a channel.
        alpha: Whether it supports transparency.
        metadata: Fields of `Metadata` that it keeps.
        max_side: Largest height and width in pixels.
    """

    suffixes: tuple[str, ...]
    bits: int
    alpha: bool
    metadata: tuple[str, ...]
    max_side: int = 2**31


# by the names that Pillow has for them
FORMATS = {
    "PNG": Format((".png",), 16, True, ("icc", "exif", "xmp", "png_text")),
    "JPEG": Format((".jpg", ".jpeg"), 8, False, ("icc", "exif", "xmp"), 65500),  # libjpeg's limit
    "WEBP": Format((".webp",), 8, True, ("icc", "exif", "xmp"), 16383),
    "BMP": Format((".bmp",), 8, False, ()),
    "TIFF": Format((".tif", ".tiff"), 64, True, ("icc", "exif", "xmp")),
}
SUFFIXES = {suffix: name for name, holds in FORMATS.items() for suffix in holds.suffixes}
ANIMATED = ("GIF",)  # read as the images of a set, not written
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF of both byte orders


def open_image(file: Path | IO[bytes], *, animated: bool = False) -> Image.Image:
    """Open a file of these formats, and of no other, with Pillow; if animated, also GIF."""
    return Image.open(file, formats=(*FORMATS, *ANIMATED * animated))
