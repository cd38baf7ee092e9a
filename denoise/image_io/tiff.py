"""Whole TIFF files: pages of 8 or 16 bits or floating point, their alpha and metadata."""

import io
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import tifffile
from PIL import Image

from denoise.image_io import metadata
from denoise.image_io.directories import OverlapError, check_directories, count_pages
from denoise.image_io.formats import open_image
from denoise.image_io.photo import Photo
from denoise.image_io.pixels import (
    WHITE,
    apply_orientation,
    check_decoded,
    convert_dtype,
    from_pillow,
    unpremultiply,
)

MAX_CHANNELS = 512
_MAX_BYTES = 32  # a pixel: four channels of 64 bits
_SLACK = 4  # how far strong noise and highlights may exceed [0, 1]
# none, LZW, deflate, PackBits, LZMA, Zstandard: these decode to no more than the page declares
_LOSSLESS = {1, 5, 8, 32946, 32773, 34925, 50000}


def decode(
    path: Path, file: IO[bytes], max_pixels: int, memory: float, *, declared: bool = False
) -> Photo:
    """Decode all pages of a TIFF, upright; floats of any width, and int16, become float32.

    Args:
        path: The file.
        file: The same, opened.
        max_pixels: As in `read_photo`, like the following.
        memory: Bytes.
        declared: Whether the user declares the range of values: they may be any finite ones.

    Raises:
        ValueError: If a page is damaged, or its values are of a type or range that no picture has.
    """
    photo = Photo([], [], format="TIFF")
    with tifffile.TiffFile(file) as opened, ExitStack() as stack:
        pages = _find_pages(opened, file, photo.warnings)
        total = sum(page.imagelength * page.imagewidth for page in pages.values())
        size = sum(page.nbytes for page in pages.values())
        if total > max_pixels or size > _MAX_BYTES * max_pixels:
            raise Image.DecompressionBombError(f"{total} pixels, {len(pages)} pages, {size} bytes")
        check_decoded(size, memory)
        try:
            check_directories(file, [page.offset for page in pages.values()])
        except OverlapError as error:
            raise ValueError(f"its tags claim {error}") from None
        _check_planes(opened)
        first = next(iter(pages.values()))
        photo.lossy = first.compression in (6, 7)  # JPEG
        photo.compressed = first.compression != 1
        photo.metadata = metadata.read_tiff_metadata(first, file, photo.warnings)
        if first.photometric == 5:  # CMYK
            photo.metadata.icc = None
        # Opened once: Pillow walks through all pages to find one.
        by_pillow = cache(lambda: stack.enter_context(open_image(path)))
        for index, page in pages.items():
            photo.tags[len(photo.pages)] = metadata.read_page_tags(page, file)
            _add_page(photo, page, index, by_pillow, declared=declared)
        photo.pages_are_channels = _are_channels(opened, len(pages))
    return photo


def _check_planes(tiff: tifffile.TiffFile) -> None:
    """Refuse a stack whose planes lie behind one page: the others would be lost.

    Raises:
        ValueError: If it is one.
    """
    truncated = []
    if tiff.is_imagej or tiff.is_shaped:
        with suppress(Exception):  # a damaged description says nothing of planes
            truncated = [one.shape for one in tiff.series if one.is_truncated]
    if truncated:
        shape = " x ".join(map(str, truncated[0]))
        raise ValueError(f"a stack of {shape} in one page: save it with a page for each image")


def _are_channels(tiff: tifffile.TiffFile, pages: int) -> bool:
    """Return whether the pages of an OME-TIFF are the channels of one image."""
    series = tiff.series[0] if tiff.is_ome and tiff.series else None
    return series is not None and pages > 1 and series.axes == "CYX" and series.shape[0] == pages


def _find_pages(
    tiff: tifffile.TiffFile, file: IO[bytes], warnings: list[str]
) -> dict[int, tifffile.TiffPage]:
    """Return the pages that are neither previews nor masks, by their number in the file.

    Raises:
        ValueError: If a page is damaged.
    """
    # tifffile leaves out all pages from a damaged one on, and goes round where one leads back.
    count = count_pages(file)
    found = [tiff.pages[index] for index in range(count)]
    pages = [page for page in found if isinstance(page, tifffile.TiffPage)]
    whole = {i: page for i, page in enumerate(pages) if not page.subfiletype & 0b101}
    if 0 < len(whole) < len(pages):
        warnings.append("Previews and masks in the TIFF are left out.")
    return whole or {0: pages[0]}


def _add_page(
    photo: Photo,
    page: tifffile.TiffPage,
    index: int,
    by_pillow: Callable[[], Image.Image],
    *,
    declared: bool,
) -> None:
    if not 0 < page.samplesperpixel <= MAX_CHANNELS or page.dtype is None:
        depth = page.bitspersample
        raise ValueError(f"TIFF of {page.samplesperpixel} channels of {depth} bits: save 8 or 16")
    plain = page.photometric in (0, 1, 2) and page.compression in _LOSSLESS
    if page.dtype in (np.uint8, np.bool_) and not (plain and page.bitspersample == 8):
        image = by_pillow()
        image.seek(index)
        image.load()  # which turns it upright
        colour, alpha = from_pillow(image, photo.warnings)
    else:
        pixels = _decode_plain(page, declared=declared)
        pixels = apply_orientation(pixels, page.tags.valueof(metadata.ORIENTATION, 1))
        colours = 3 if page.photometric == 2 else 1
        colour, extra = pixels[..., :colours], pixels[..., colours:]
        if page.photometric == 0:  # white is zero
            colour = (WHITE[colour.dtype] - colour).astype(colour.dtype)
        if colour.dtype.kind == "f" and not declared:
            check_range(colour, _SLACK)
        alpha, sample_type = None, page.extrasamples[0] if page.extrasamples else 0
        if sample_type in (1, 2):
            alpha, extra = extra[..., :1], extra[..., 1:]
            if sample_type == 1:
                photo.warnings.append("Premultiplied alpha became plain alpha.")
                colour = unpremultiply(colour, alpha)
        if extra.shape[2]:
            photo.extra[len(photo.pages)] = extra
    if page.dtype in (np.float16, np.float64, np.int16):
        photo.stored[len(photo.pages)] = page.dtype
    photo.pages.append(colour)
    photo.alpha.append(alpha)


def _decode_plain(page: tifffile.TiffPage, *, declared: bool) -> np.ndarray:
    if page.axes not in ("YX", "YXS", "SYX") or page.photometric not in (0, 1, 2):
        raise ValueError(f"TIFF of axes {page.axes} and colours {page.photometric!s}")
    if page.dtype == np.int16 and not (declared and page.photometric == 1):
        raise ValueError("TIFF of int16 values: declare their range, as range=[-1024,3071] for CT")
    if page.dtype not in (np.uint8, np.uint16, np.int16, np.float16, np.float32, np.float64):
        raise ValueError(f"TIFF of {page.dtype} values, save it with 8 or 16 bits")
    if page.compression not in _LOSSLESS:
        name = getattr(page.compression, "name", page.compression)
        raise ValueError(f"TIFF of {page.dtype} with {name} compression, save it with LZW")
    pixels = page.asarray()
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError("floating point TIFF with infinite or undefined values")
    if pixels.dtype.kind in "fi":
        pixels = pixels.astype(np.float32, copy=False)
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def check_range(pixels: np.ndarray, slack: float = 0) -> None:
    """Refuse floating point values further than `slack` outside [0, 1].

    Raises:
        ValueError: If there are any.
    """
    low, high = pixels.min(), pixels.max()
    if not (low >= -slack and high <= 1 + slack):
        raise ValueError(
            f"values from {low:.6g} to {high:.6g}, outside [0, 1]: declare the range of all such "
            f"images, as range=[{low:.6g},{high:.6g}]"
        )


def encode(photo: Photo, warnings: list[str]) -> bytes:
    """Encode all pages losslessly, with deflate where they are to be compressed."""
    carried, tags = photo.metadata, []
    if carried.exif:
        tags = metadata.descriptive_tags(carried.exif, warnings)
    if photo.tags:
        tags = photo.tags[0].extra
    if carried.xmp:
        tags = [*tags, (700, 1, len(carried.xmp), carried.xmp, True)]
    buffer = io.BytesIO()
    size = sum(x.nbytes for x in (*photo.pages, *photo.alpha) if x is not None)
    order = photo.tags[0].byteorder if photo.tags else "<"
    # beyond it, offsets of 4 bytes do not suffice
    with tifffile.TiffWriter(buffer, bigtiff=size > 2**32 - 2**25, byteorder=order) as writer:
        for index, (colour, alpha) in enumerate(zip(photo.pages, photo.alpha, strict=True)):
            own = photo.tags.get(index)
            resolution, unit = (own.resolution, own.unit) if own else (carried.dpi, 2)
            data = colour
            further = photo.extra.get(index)
            if alpha is not None:
                data = np.concatenate([data, convert_dtype(alpha, colour.dtype)], 2)
            if further is not None:
                data = np.concatenate([data, further], 2)
            data = _as_stored(data, photo.stored.get(index, data.dtype))
            extra = ["unassalpha"] * (alpha is not None)
            extra += ["unspecified"] * (0 if further is None else further.shape[2])
            writer.write(
                data if data.shape[2] > 1 else data[..., 0],
                photometric="rgb" if colour.shape[2] == 3 else "minisblack",
                planarconfig=None if data.shape[2] == 1 else "contig",
                extrasamples=extra or None,
                compression="zlib" if photo.compressed else None,
                predictor=True if photo.compressed and data.dtype.kind == "u" else None,
                iccprofile=carried.icc,
                resolution=resolution,
                resolutionunit=unit if resolution else None,
                metadata=None,
                software=False,
                extratags=tags if not index else own.extra if own else (),
            )
    return buffer.getvalue()


def _as_stored(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return pixels in the type that their file had."""
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        pixels = np.rint(pixels).clip(limits.min, limits.max)
    return pixels.astype(dtype, copy=False)
