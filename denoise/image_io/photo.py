"""A whole picture with all it carries, as it is read; `denoise.image_io.write` writes it back.

Kept: depth, alpha, colour profile, EXIF, XMP, resolution, every page of a TIFF, text of a PNG. Not
kept, as they show the noisy picture or speak of its file: previews, thumbnails, palettes, IPTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from denoise.image_io import metadata as metadata_of
from denoise.image_io import pixels as samples
from denoise.image_io import png, tiff
from denoise.image_io.metadata import Metadata
from denoise.image_io.read import MAX_PIXELS, TIFF, ImageError, failures, open_image

_REMEDY = "give a whole PNG, JPEG, WebP, BMP or TIFF file"


@dataclass
class Photo:
    """A picture, upright; replace `pages` and write it.

    Args:
        pages: (H, W, C), C 1 or 3, of uint8, uint16 or float32; only a TIFF has more than one.
        alpha: For each page (H, W, 1), not premultiplied, or None.
        metadata: Of the first page.
        format: PNG, JPEG, WEBP, BMP or TIFF, of the file read.
        lossy: Whether the file read was a JPEG or a lossy WebP.
        compressed: Whether the pages of a TIFF are to be compressed.
        notes: What was not kept on reading, a sentence each.
        stored: By its place, the type of a page that a TIFF holds as float16 or float64.
    """

    pages: list[np.ndarray]
    alpha: list[np.ndarray | None]
    metadata: Metadata = field(default_factory=Metadata)
    format: str = "PNG"
    lossy: bool = False
    compressed: bool = True
    notes: list[str] = field(default_factory=list)
    stored: dict[int, np.dtype] = field(default_factory=dict)


def read_photo(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a PNG, JPEG, WebP, BMP or TIFF file as it is, but upright, and CMYK as RGB.

    Args:
        path: The file.
        max_pixels: The most that all pages together may have; nothing larger is decoded.

    Raises:
        ImageError: If the file is missing, no picture, damaged, animated or too large.
    """
    path = Path(path)
    with failures(path, _REMEDY), _limit_of_pil(max_pixels):
        if path.is_dir():
            raise ImageError(f"{path} is a folder: give the pictures in it")
        with path.open("rb") as file:
            start = file.read(26)
        if not start:
            raise ValueError("0 bytes")
        try:
            photo = (_read_tiff if start[:4] in TIFF else _read_single)(path, start, max_pixels)
        except Image.DecompressionBombError as error:
            raise _too_large(path, str(error), max_pixels) from None
    photo.notes = list(dict.fromkeys(photo.notes))
    return photo


@contextmanager
def _limit_of_pil(pixels: int) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (pixels + 1) // 2  # PIL raises above twice of it
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _too_large(path: Path, what: str, limit: int) -> ImageError:
    return ImageError(f"{path} is too large ({what}): set max_pixels above {limit} if you trust it")


def _read_single(path: Path, start: bytes, max_pixels: int) -> Photo:
    photo = Photo([], [])
    with open_image(path) as image:
        if image.width * image.height > max_pixels:
            raise _too_large(path, f"{image.height}x{image.width} pixels", max_pixels)
        photo.format = image.format
        if image.format == "MPO":  # as many telephones write
            photo.format = "JPEG"
            photo.notes.append("The further pictures in the JPEG (preview, depth) are left out.")
        elif getattr(image, "n_frames", 1) > 1:
            raise ImageError(f"{path} is an animation: give its {image.n_frames} frames as files")
        photo.lossy = photo.format == "JPEG" or (photo.format == "WEBP" and _is_lossy_webp(path))
        deep = photo.format == "PNG" and start[24] == 16
        pixels = png.deep(image, path) if deep else None
        image.load()  # some metadata stand behind the pixels
        photo.metadata, orientation = metadata_of.of_image(image, path, photo.notes)
        if deep:
            pixels, alpha = samples.apart(pixels)
            key = image.info.get("transparency")
            if alpha is None and key is not None:  # one colour is transparent
                hidden = (pixels == np.array(key)).all(2, keepdims=True)
                alpha = np.where(hidden, 0, 65535).astype(np.uint16)
        else:
            if image.mode == "CMYK":
                photo.notes.append("CMYK became RGB (sRGB).")
                image = samples.cmyk_to_rgb(image, photo.metadata.icc)
                photo.metadata.icc = None
            if image.mode == "L" and start[24] < 8 and "transparency" in image.info:
                # PIL scales grey of 2 and 4 bits, but not the one that is transparent
                image.info["transparency"] *= 255 // (2 ** start[24] - 1)
            pixels, alpha = samples.of_image(image)
    photo.pages.append(samples.upright(pixels, orientation))
    photo.alpha.append(None if alpha is None else samples.upright(alpha, orientation))
    return photo


def _is_lossy_webp(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8 and head[:4] not in (b"VP8 ", b"VP8L"):
            file.seek(int.from_bytes(head[4:], "little") + 1 & ~1, 1)
    return head[:4] == b"VP8 "


def _read_tiff(path: Path, start: bytes, max_pixels: int) -> Photo:
    photo = Photo([], [], format="TIFF")
    with tifffile.TiffFile(path) as file:
        pages = tiff.whole_pages(file, photo.notes)
        total = sum(page.imagelength * page.imagewidth for page in pages.values())
        if total > max_pixels:
            raise _too_large(path, f"{total} pixels, {len(pages)} pages", max_pixels)
        first = next(iter(pages.values()))
        photo.lossy = first.compression in (6, 7)  # JPEG
        photo.compressed = first.compression != 1
        photo.metadata = metadata_of.of_tiff_page(first, path, photo.notes)
        if first.photometric == 5:  # CMYK
            photo.metadata.icc = None
        for index, page in pages.items():
            pixels, alpha = tiff.decode(path, page, index, photo.notes)
            if page.dtype.kind == "f" and page.dtype != np.float32:
                photo.stored[len(photo.pages)] = page.dtype
            photo.pages.append(pixels)
            photo.alpha.append(alpha)
    return photo
