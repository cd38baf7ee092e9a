"""Whole TIFF files: pages of 8 or 16 bits or floating point, their alpha and metadata."""

import io
import struct
from pathlib import Path

import numpy as np
import tifffile

from denoise.image_io import exif
from denoise.image_io import pixels as samples
from denoise.image_io.exif import ORIENTATION
from denoise.image_io.metadata import Metadata
from denoise.image_io.read import check_range, open_image, read_tiff_page

Samples = tuple[np.ndarray, np.ndarray | None]

_SLACK = 4  # as far as strong noise and highlights lead out of [0, 1]


def whole_pages(tiff: tifffile.TiffFile, notes: list[str]) -> dict[int, tifffile.TiffPage]:
    """The pages that are neither previews nor masks, by their place in the file.

    Raises:
        ValueError: If a page is damaged: tifffile would leave out all from there on.
    """
    pages, file = list(tiff.pages), tiff.filehandle
    file.seek(pages[-1].offset)
    (tags,) = struct.unpack(tiff.tiff.tagnoformat, file.read(tiff.tiff.tagnosize))
    file.seek(tags * tiff.tiff.tagsize, 1)
    if any(file.read(tiff.tiff.offsetsize)):
        raise ValueError(f"page {len(pages) + 1} is damaged")
    whole = {i: page for i, page in enumerate(pages) if not page.subfiletype & 0b101}
    if 0 < len(whole) < len(pages):
        notes.append("Previews and masks in the TIFF are left out.")
    return whole or {0: pages[0]}


def decode(path: Path, page: tifffile.TiffPage, index: int, notes: list[str]) -> Samples:
    """Colour (H, W, 1 or 3) and alpha (H, W, 1) of a page, upright; any floats as float32.

    Raises:
        ValueError: If its samples are of a kind or range that is no picture.
    """
    if page.samplesperpixel > 8:
        raise ValueError(f"TIFF of {page.samplesperpixel} samples a pixel")
    if page.dtype in (np.uint8, np.bool_):
        with open_image(path) as image:
            image.seek(index)
            image.load()  # which turns it upright
            if image.mode == "CMYK":
                notes.append("CMYK became RGB (sRGB).")
                image = samples.cmyk_to_rgb(image, image.info.get("icc_profile"))
            return samples.of_image(image)
    pixels = _decode_deep(path, page, index)
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise ValueError("floating point TIFF with infinite or undefined values")
        pixels = pixels.astype(np.float32, copy=False)
    pixels = samples.upright(pixels, int(page.tags.valueof(ORIENTATION, 1)))
    colours = 3 if page.photometric == 2 else 1
    colour, extra = pixels[..., :colours], pixels[..., colours:]
    if pixels.dtype.kind == "f":
        check_range(colour, _SLACK)
    kind = int(page.extrasamples[0]) if page.extrasamples else 0
    if extra.shape[2] > (kind in (1, 2)):
        notes.append("Channels beyond colour and alpha are left out.")
    if kind not in (1, 2):
        return colour, None
    alpha = extra[..., :1]
    if kind == 1:
        notes.append("Premultiplied alpha became plain alpha.")
        colour = samples.divided(colour, alpha)
    return colour, alpha


def _decode_deep(path: Path, page: tifffile.TiffPage, index: int) -> np.ndarray:
    try:
        return read_tiff_page(page)
    except ValueError as error:
        # LZW, unknown to tifffile without imagecodecs, is what many programs write
        plain = index == 0 and page.samplesperpixel in (1, 3) and page.photometric in (1, 2)
        if "imagecodecs" not in str(error) or not plain:
            raise
        from kornia_rs.io import read_image

        return read_image(str(path))


def encode(pages: list[Samples], metadata: Metadata, compressed: bool, notices: list[str]) -> bytes:
    """Write pages of (colour, alpha) losslessly, with deflate where they are to be compressed."""
    buffer = io.BytesIO()
    tags, inner = [], {}
    # from here on 4 bytes do not reach everywhere in the file
    big = sum(x.nbytes for page in pages for x in page if x is not None) > 2**32 - 2**25
    if metadata.exif:
        try:
            tags, inner = exif.for_tiff(metadata.exif)
        except Exception:  # damaged, but as good as ever in any other format
            notices.append("The EXIF data are damaged and left out.")
    if big and inner:
        notices.append("The EXIF data are left out of a TIFF of 4 GB.")
        tags, inner = [], {}
    if metadata.xmp:
        tags.append((700, 1, len(metadata.xmp), metadata.xmp, True))
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder="<") as writer:
        for index, (colour, alpha) in enumerate(pages):
            data = colour if alpha is None else np.concatenate([colour, alpha], 2)
            whole = compressed and data.dtype.kind == "u"
            writer.write(
                data if data.shape[2] > 1 else data[..., 0],
                photometric="rgb" if colour.shape[2] == 3 else "minisblack",
                planarconfig=None if data.shape[2] == 1 else "contig",
                extrasamples=None if alpha is None else ["unassalpha"],
                compression="zlib" if compressed else None,
                predictor=True if whole else None,  # that of floats needs imagecodecs
                iccprofile=metadata.icc,
                resolution=metadata.dpi,
                resolutionunit="inch" if metadata.dpi else None,
                metadata=None,
                software=False,
                extratags=() if index else tags,
            )
    content = bytearray(buffer.getbuffer())
    if inner:
        exif.append(content, inner)
    return bytes(content)
