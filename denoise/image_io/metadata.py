"""What a picture carries beside its pixels, and how PNG, EXIF and TIFF hold it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tifffile
from PIL import Image

from denoise.image_io import exif as exifs
from denoise.image_io import png

_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_COLOUR = (b"cHRM", b"cICP", b"gAMA", b"sRGB")
_XMP_KEY = b"XML:com.adobe.xmp\0"


@dataclass
class Metadata:
    """What a picture carries beside its pixels.

    Args:
        icc: Colour profile.
        exif: TIFF structure, of orientation 1 and without thumbnail.
        xmp: XML packet, of orientation 1.
        dpi: Dots an inch, horizontally and vertically.
        png: Chunks of text and of colour, as (name, data).
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    png: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        """Whether there are chunks of text."""
        return any(name in _TEXT for name, _ in self.png)

    def png_chunks(self) -> list[tuple[bytes, bytes]]:
        """All that goes into chunks that PIL does not write by itself."""
        return [*self.png, *([(b"iTXt", _XMP_KEY + bytes(4) + self.xmp)] if self.xmp else [])]


def of_image(image: Image.Image, path: Path, notes: list[str]) -> tuple[Metadata, int]:
    """Metadata of a PNG, JPEG, WebP or BMP that PIL has loaded, and its EXIF orientation."""
    info, orientation = image.info, 1
    exif = info.get("exif")
    try:
        orientation = image.getexif().get(exifs.ORIENTATION, 1)
        if exif is None and "Raw profile type exif" in info:
            exif = image.getexif().tobytes()
        exif = exifs.settled(exif) if exif else None
    except Exception:  # a damaged description is no reason to refuse the picture
        exif = None
        notes.append("The EXIF data are damaged and left out.")
    extra = []
    if image.format == "PNG":
        with path.open("rb") as file:
            extra = [
                (name, data)
                for name, data in png.chunks(file)
                if name in _TEXT + _COLOUR and not data.startswith((_XMP_KEY, b"Raw profile type"))
            ]
    dpi = _settled_dpi(info.get("dpi"), orientation)
    icc = info.get("icc_profile") or None
    return Metadata(icc, exif, _settled_xmp(info.get("xmp")), dpi, extra), orientation


def of_tiff_page(page: tifffile.TiffPage, path: Path, notes: list[str]) -> Metadata:
    """Metadata of a TIFF page."""

    def tag(code: int, default: Any = None) -> Any:
        return page.tags[code].value if code in page.tags else default

    metadata = Metadata(tag(34675), None, _settled_xmp(tag(700)))
    per_inch, (x, y) = {2: 1.0, 3: 2.54}.get(tag(296, 2)), (tag(282), tag(283))
    if per_inch and x and y and x[1] and y[1]:
        dpi = (x[0] / x[1] * per_inch, y[0] / y[1] * per_inch)
        metadata.dpi = _settled_dpi(dpi, tag(exifs.ORIENTATION, 1))
    try:
        exif = exifs.of_tiff(path, page.offset)
        metadata.exif = exifs.settled(exif) if exif else None
    except Exception:  # as above
        notes.append("The EXIF data cannot be read and are left out.")
    return metadata


def _settled_dpi(dpi: tuple | None, orientation: int) -> tuple[float, float] | None:
    # what no format holds is damage
    if not dpi or not all(0 < value < 65536 for value in dpi):
        return None
    x, y = map(float, dpi)
    return (y, x) if orientation > 4 else (x, y)


def _settled_xmp(xmp: bytes | None) -> bytes | None:
    return re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))\d', rb"\g<1>1", xmp) if xmp else None
