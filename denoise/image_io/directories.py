"""Directories of tags in TIFF and EXIF: none may claim more bytes than its file holds."""

import struct
from collections.abc import Sequence
from typing import IO

SUB_DIRECTORIES = (0x8769, 0x8825, 0xA005)  # of the camera, of GPS, of interoperability
# Bytes of a value by the number of its type (TIFF 6.0, section 2; BigTIFF: 16 to 18).
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_POINTERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


class OverlapError(ValueError):
    """Values of tags that overlap."""


def check_directories(file: IO[bytes], starts: Sequence[int] = ()) -> None:
    """Refuse directories whose values overlap: a reader would copy one part of the file often.

    A file of 1 MB with 65,535 tags that all point to the same megabyte takes 64 GB to read.

    Args:
        file: TIFF structure.
        starts: Offsets of directories that are read together; by default of the first.

    Raises:
        OverlapError: If the values of all and of their parts are longer than the file.
        ValueError: If it is none, or cut off.
    """
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError("EXIF data that are no TIFF structure")
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    count_format, entry_format, offset_format = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    first = struct.unpack_from(order + offset_format, head, 8 if big else 4)
    count_size, entry_size = struct.calcsize(f"<{count_format}"), 20 if big else 12
    inline = struct.calcsize(f"<{offset_format}")
    waiting, seen, claimed = [*(starts or first)], set(), 0
    while waiting:
        if (offset := waiting.pop()) in seen:
            continue
        seen.add(offset)
        file.seek(offset)
        (count,) = struct.unpack(order + count_format, _read(file, count_size))
        if count * entry_size > length:
            raise ValueError("a directory of tags that is cut off")
        entries = _read(file, count * entry_size)
        for position in range(0, len(entries), entry_size):
            code, kind, number = struct.unpack_from(order + entry_format, entries, position)
            size = number * _SIZES.get(kind, 0)
            claimed += size if size > inline else 0
            if code in SUB_DIRECTORIES and kind in _POINTERS and number == 1:
                value = position + entry_size - inline
                waiting += struct.unpack_from(order + _POINTERS[kind], entries, value)
        if claimed > length:
            raise OverlapError(f"{claimed} bytes of {length}")


def _read(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("a directory of tags that is cut off")
    return data
