"""Directories of tags in TIFF and EXIF: none may claim more bytes than its file holds, or loop."""

import struct
from collections.abc import Sequence
from typing import IO, NamedTuple

SUB_DIRECTORIES = (0x8769, 0x8825, 0xA005)  # of the camera, of GPS, of interoperability
# Bytes of a value by the number of its type (TIFF 6.0, section 2; BigTIFF: 16 to 18).
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_POINTERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


class OverlapError(ValueError):
    """Values of tags that overlap."""


class _Layout(NamedTuple):
    """How a file stores directories: `struct` formats of a count, a tag and an offset."""

    length: int
    order: str
    number: str
    tag: str
    offset: str
    tag_size: int
    first: int


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
    layout = _layout(file)
    inline = struct.calcsize(f"<{layout.offset}")
    waiting, seen, claimed = [*(starts or (layout.first,))], set(), 0
    while waiting:
        if (offset := waiting.pop()) in seen:
            continue
        seen.add(offset)
        tags = _read(file, offset, layout)[0]
        for position in range(0, len(tags), layout.tag_size):
            code, data_type, number = struct.unpack_from(layout.order + layout.tag, tags, position)
            size = number * _SIZES.get(data_type, 0)
            claimed += size if size > inline else 0
            if code in SUB_DIRECTORIES and data_type in _POINTERS and number == 1:
                value = position + layout.tag_size - inline
                waiting += struct.unpack_from(layout.order + _POINTERS[data_type], tags, value)
        if claimed > layout.length:
            raise OverlapError(f"{claimed} bytes of {layout.length}")


def count_pages(file: IO[bytes]) -> int:
    """Return how many directories follow one another in a TIFF.

    Raises:
        ValueError: If one is cut off, or leads back to one before it.
    """
    layout = _layout(file)
    seen: set[int] = set()
    offset = layout.first
    while offset:
        if offset in seen:
            raise ValueError(f"page {len(seen) + 1} is damaged")
        seen.add(offset)
        try:
            offset = _read(file, offset, layout)[1]
        except ValueError:
            raise ValueError(f"page {len(seen)} is damaged") from None
    return len(seen)


def _layout(file: IO[bytes]) -> _Layout:
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError("EXIF data that are no TIFF structure")
    if struct.unpack_from(f"{order}H", head, 2)[0] == 43 and len(head) == 16:  # BigTIFF
        return _Layout(
            length, order, "Q", "HHQ", "Q", 20, struct.unpack_from(f"{order}Q", head, 8)[0]
        )
    return _Layout(length, order, "H", "HHI", "I", 12, struct.unpack_from(f"{order}I", head, 4)[0])


def _read(file: IO[bytes], offset: int, layout: _Layout) -> tuple[bytes, int]:
    """Return the tags of a directory, and the offset of the next; 0 where it is the last."""
    count_size, offset_size = (struct.calcsize(f"<{f}") for f in (layout.number, layout.offset))
    if offset < layout.length:
        file.seek(offset)
        head = file.read(count_size)
        if len(head) == count_size:
            (count,) = struct.unpack(layout.order + layout.number, head)
            size = count * layout.tag_size
            tags = file.read(size) if size <= layout.length else b""
            if len(tags) == size:
                after = file.read(offset_size).ljust(offset_size, b"\0")
                return tags, struct.unpack(layout.order + layout.offset, after)[0]
    raise ValueError("a directory of tags that is cut off")
