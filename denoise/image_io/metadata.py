"""Metadata of a picture, and how they are stored in PNG, EXIF and TIFF."""

import io
import re
import struct
from dataclasses import dataclass, field
from typing import IO, Any, Literal, NamedTuple
from warnings import catch_warnings

import tifffile
from PIL import Image

from denoise.image_io import png
from denoise.image_io.directories import SUB_DIRECTORIES, check_directories

ORIENTATION = 0x0112
DAMAGED = "The EXIF data are damaged and left out."

_SUB_DIRECTORIES = SUB_DIRECTORIES[:2]
# of the many tags of a TIFF page, those that describe the picture and not the file
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432, *range(40091, 40096))
# Tags of a TIFF page that describe how its pixels are stored, that are written from elsewhere, or
# that hold the noisy picture (previews, layers of Photoshop).
_STORAGE = {
    *range(254, 260), *range(262, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 317,
    *range(320, 327), 330, 332, 333, 334, *range(336, 344), 347, *range(512, 522), 529, 530, 531,
    532, 700, 34377, 34675, 37724, *SUB_DIRECTORIES,
    *(code for code in range(50706, 51126) if code not in (50838, 50839, 51123)),  # DNG
}  # fmt: skip
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_COLOUR = (b"cHRM", b"cICP", b"gAMA", b"sRGB")
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:\s*=\s*["\']|>))(\d)')
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


class PageTags(NamedTuple):
    """What a page of a TIFF says beside its pixels.

    Args:
        byteorder: Of the file, "<" or ">".
        extra: Tags as tifffile writes them: code, type, count, value, and False.
        resolution: Pixels a unit, horizontally and vertically; None where it is not said.
        unit: 1 none, 2 inch, 3 centimetre.
    """

    byteorder: Literal["<", ">"]
    extra: list[tuple[int, int, int, Any, bool]]
    resolution: tuple[tuple[int, int], tuple[int, int]] | None
    unit: int


def read_page_tags(page: tifffile.TiffPage, file: IO[bytes]) -> PageTags:
    """Return the tags of a page that outlive a change of its pixels."""
    extra = []
    for tag in page.tags:
        described_by_number = tag.code in _DESCRIPTIVE and tag.dtype not in (1, 2, 7)
        if tag.code not in _STORAGE and not described_by_number:
            file.seek(tag.valueoffset)
            value: Any = file.read(tag.valuebytecount)
            if tag.dtype in (5, 10):  # fractions, whose packed values tifffile miscounts
                sign = "I" if tag.dtype == 5 else "i"
                value = struct.unpack(f"{page.parent.byteorder}{2 * tag.count}{sign}", value)
            extra.append((int(tag.code), int(tag.dtype), int(tag.count), value, False))
    x, y = (page.tags.valueof(code) for code in (282, 283))
    if page.tags.valueof(ORIENTATION, 1) > 4:
        x, y = y, x
    resolution = (x, y) if x and y and all((*x, *y)) else None
    return PageTags(page.parent.byteorder, extra, resolution, int(page.tags.valueof(296, 2)))


def read_metadata(image: Image.Image, file: IO[bytes], warnings: list[str]) -> tuple[Metadata, int]:
    """Return the metadata and EXIF orientation of a file that Pillow has loaded, but for TIFF."""
    info, orientation = image.info, None
    exif = info.get("exif")
    try:
        if exif is None and (text := info.get("Raw profile type exif")):  # of ImageMagick, in hex
            exif = bytes.fromhex("".join(text.split("\n")[3:]))
        if exif:
            exif, orientation = _normalize_exif(exif)
    except Exception:  # a damaged description is no reason to refuse the picture
        exif = None
        warnings.append(DAMAGED)
    xmp, orientation_of_xmp = _normalize_xmp(info.get("xmp"))
    orientation = orientation or orientation_of_xmp
    dpi = _normalize_dpi(info.get("dpi"), orientation)
    metadata = Metadata(info.get("icc_profile") or None, exif or None, xmp, dpi)
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

    metadata = Metadata(tag(34675), None, _normalize_xmp(tag(700))[0])
    per_inch, (x, y) = {2: 1.0, 3: 2.54}.get(tag(296, 2)), (tag(282), tag(283))
    if per_inch and x and y and x[1] and y[1]:
        dpi = (x[0] / x[1] * per_inch, y[0] / y[1] * per_inch)
        metadata.dpi = _normalize_dpi(dpi, tag(ORIENTATION, 1))
    try:
        exif = _tiff_exif(page, file)
        metadata.exif = _normalize_exif(exif.tobytes())[0] if exif else None
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


def _normalize_exif(exif: bytes) -> tuple[bytes, int | None]:
    """Set orientation 1 and drop the thumbnail, which is of the noisy picture.

    No other byte changes: makers' own data hold offsets that nobody else can adjust.

    Returns:
        The changed EXIF, and the orientation it had.

    Raises:
        Exception: Of any kind, if they are damaged.
    """
    data, orientation = bytearray(re.sub(rb"^(Exif\0\0)+", b"", exif)), None
    check_directories(io.BytesIO(data))
    order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(data[:4])]
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    end = start + 2 + 12 * count
    for entry in range(start + 2, end, 12):
        if struct.unpack_from(f"{order}H", data, entry)[0] == ORIENTATION:
            (orientation,) = struct.unpack_from(f"{order}H", data, entry + 8)
            struct.pack_into(f"{order}HIHH", data, entry + 2, 3, 1, 1, 0)
    data[end : end + 4] = bytes(4)  # no further directory
    return bytes(data), orientation


def _normalize_dpi(dpi: tuple | None, orientation: int) -> tuple[float, float] | None:
    # values that no format can hold are damaged
    if not dpi or not all(0 < value < 65536 for value in dpi):
        return None
    x, y = map(float, dpi)
    return (y, x) if orientation > 4 else (x, y)


def _normalize_xmp(xmp: bytes | None) -> tuple[bytes | None, int]:
    """Set orientation 1; return the changed packet, and the orientation it had."""
    if not xmp:
        return None, 1
    found = _XMP_ORIENTATION.search(xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp), int(found[2]) if found else 1
