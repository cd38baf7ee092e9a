"""Metadata of a picture, and how they are stored in PNG, EXIF and TIFF."""

import re
import struct
from dataclasses import dataclass, field
from typing import IO, Any
from warnings import catch_warnings

import tifffile
from PIL import Image

from denoise.image_io import png

ORIENTATION = 0x0112
DAMAGED = "The EXIF data are damaged and left out."

_SUB_DIRECTORIES = (0x8769, 0x8825)  # of the camera and of GPS
# of the many tags of a TIFF page, those that describe the picture and not the file
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432, *range(40091, 40096))
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_COLOUR = (b"cHRM", b"cICP", b"gAMA", b"sRGB")
XMP_KEY = b"XML:com.adobe.xmp\0"


@dataclass
class Metadata:
    """Metadata of a picture.

    Args:
        icc: Colour profile.
        exif: TIFF structure, of orientation 1 and without thumbnail.
        xmp: XML packet, of orientation 1.
        dpi: Dots an inch, horizontally and vertically.
        png_text: Chunks of text, as (name, data).
        png_colour: Chunks of colour, as (name, data).
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    png_text: list[tuple[bytes, bytes]] = field(default_factory=list)
    png_colour: list[tuple[bytes, bytes]] = field(default_factory=list)


def read_metadata(image: Image.Image, file: IO[bytes], warnings: list[str]) -> tuple[Metadata, int]:
    """Return the metadata and EXIF orientation of a file that Pillow has loaded, but for TIFF."""
    info, orientation = image.info, 1
    exif = info.get("exif")
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        if exif is None and "Raw profile type exif" in info:
            exif = image.getexif().tobytes()
        exif = _normalize_exif(exif) if exif else None
    except Exception:  # a damaged description is no reason to refuse the picture
        exif = None
        warnings.append(DAMAGED)
    dpi = _normalize_dpi(info.get("dpi"), orientation)
    xmp = _normalize_xmp(info.get("xmp"))
    metadata = Metadata(info.get("icc_profile") or None, exif, xmp, dpi)
    if image.format == "PNG":
        for _, name, data in png.find_chunks(file, _TEXT + _COLOUR):
            if name in _COLOUR:
                metadata.png_colour.append((name, data))
            elif not data.startswith((XMP_KEY, b"Raw profile type")):
                metadata.png_text.append((name, data))
    return metadata, orientation


def read_tiff_metadata(page: tifffile.TiffPage, file: IO[bytes], warnings: list[str]) -> Metadata:
    """Return the metadata of the first page of a TIFF."""

    def tag(code: int, default: Any = None) -> Any:
        return page.tags.valueof(code, default)

    metadata = Metadata(tag(34675), None, _normalize_xmp(tag(700)))
    per_inch, (x, y) = {2: 1.0, 3: 2.54}.get(tag(296, 2)), (tag(282), tag(283))
    if per_inch and x and y and x[1] and y[1]:
        dpi = (x[0] / x[1] * per_inch, y[0] / y[1] * per_inch)
        metadata.dpi = _normalize_dpi(dpi, tag(ORIENTATION, 1))
    try:
        exif = _tiff_exif(page, file)
        metadata.exif = _normalize_exif(exif.tobytes()) if exif else None
    except Exception:  # as above
        warnings.append("The EXIF data cannot be read and are left out.")
    return metadata


def descriptive_tags(exif: bytes, warnings: list[str]) -> list[tuple]:
    """Return what a TIFF keeps of EXIF, as extratags of tifffile: maker, date, author and so on."""
    parsed = Image.Exif()
    try:
        with catch_warnings(action="error"):  # which Pillow raises on values that are cut off
            parsed.load(exif)
            found = {code: parsed[code] for code in _DESCRIPTIVE if code in parsed}
    except Exception:  # as above
        warnings.append(DAMAGED)
        return []
    if any(code in parsed for code in _SUB_DIRECTORIES):
        warnings.append("TIFF files are written without the EXIF data of camera and GPS.")
    texts = {code: _as_bytes(value, "latin-1") for code, value in found.items()}
    return [(code, 2 if code < 40000 else 1, len(v), v, True) for code, v in texts.items() if v]


def _tiff_exif(page: tifffile.TiffPage, file: IO[bytes]) -> Image.Exif:
    exif = Image.Exif()
    for code in _DESCRIPTIVE:
        if text := _as_bytes(page.tags.valueof(code), "utf-8"):
            exif[code] = text  # of a string, Pillow would write other than ASCII as "?"
    if found := [code for code in _SUB_DIRECTORIES if code in page.tags]:
        source = Image.Exif()
        source.endian, source.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
        source.load_from_fp(file, page.offset)
        exif.update({code: source.get_ifd(code) for code in found})
    return exif


def _as_bytes(value: object, encoding: str) -> bytes:
    """Encode text as it was decoded; values that are not text are dropped."""
    if isinstance(value, str):
        return value.encode(encoding)
    return value if isinstance(value, bytes) else b""


def _normalize_exif(exif: bytes) -> bytes:
    """Set orientation 1 and drop the thumbnail, which is of the noisy picture.

    No other byte changes: makers' own data hold offsets that nobody else can adjust.

    Raises:
        Exception: Of any kind, if they are damaged.
    """
    data = bytearray(re.sub(rb"^(Exif\0\0)+", b"", exif))
    order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(data[:4])]
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    end = start + 2 + 12 * count
    for entry in range(start + 2, end, 12):
        if struct.unpack_from(f"{order}H", data, entry)[0] == ORIENTATION:
            struct.pack_into(f"{order}HIHH", data, entry + 2, 3, 1, 1, 0)
    data[end : end + 4] = bytes(4)  # no further directory
    return bytes(data)


def _normalize_dpi(dpi: tuple | None, orientation: int) -> tuple[float, float] | None:
    # values that no format can hold are damaged
    if not dpi or not all(0 < value < 65536 for value in dpi):
        return None
    x, y = map(float, dpi)
    return (y, x) if orientation > 4 else (x, y)


def _normalize_xmp(xmp: bytes | None) -> bytes | None:
    return re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))\d', rb"\g<1>1", xmp) if xmp else None
