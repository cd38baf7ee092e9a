"""JPEG files, before Pillow opens them: what would take time or memory without bounds."""

import io
import mmap
import re
from typing import IO

from denoise.image_io.directories import OverlapError, check_directories

MAGIC = b"\xff\xd8"
MAX_SCANS = 100  # encoders write 10; each is decoded over the whole picture

_MARKER = re.compile(rb"\xff+([^\xff\x00\xd0-\xd7])")
_EXIF, _MPF = b"Exif\0\0", b"MPF\0"
_START_OF_SCAN, _END, _APP1, _APP2, _TEMPORARY = 0xDA, 0xD9, 0xE1, 0xE2, 0x01


def check(file: IO[bytes]) -> None:
    """Refuse a JPEG of many scans, or with EXIF data that claim more bytes than they are.

    Raises:
        ValueError: If it is one.
    """
    scans, position, exif = 0, 2, b""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while (found := _MARKER.search(content, position)) and found[1][0] != _END:
            position = found.end()
            if found[1][0] == _TEMPORARY:
                continue
            end = position + max(2, int.from_bytes(content[position : position + 2], "big"))
            data = content[position + 2 : end] if found[1][0] in (_APP1, _APP2) else b""
            scans += found[1][0] == _START_OF_SCAN
            if found[1][0] == _APP1 and data.startswith(_EXIF):
                exif += data[len(_EXIF) :]  # Pillow joins them, too
            elif found[1][0] == _APP2 and data.startswith(_MPF):
                _check(data[len(_MPF) :], "index of further pictures")
            position = end
    if scans > MAX_SCANS:
        raise ValueError(f"JPEG of {scans} scans, of which {MAX_SCANS} are read: save it again")
    if exif:
        _check(exif, "EXIF data")


def _check(data: bytes, name: str) -> None:
    try:
        check_directories(io.BytesIO(data))
    except OverlapError as error:
        raise ValueError(f"its {name} claim {error}: save it without them") from None
    except ValueError:
        return  # damaged: they are left out
