"""EXIF, byte by byte, into and out of TIFF files: no value changes, not even the makers' own.

EXIF are a small TIFF file without pixels. Its first directory has a few tags of text and points to
two more, here called the inner ones.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ORIENTATION = 0x0112

_INNER = {0x8769: "Exif", 0x8825: "GPS"}
_INTEROP = 0xA005  # points to a directory that nobody reads
# of the many tags of a TIFF page, those that speak of the picture and not of the file
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432, *range(40091, 40096))
# of each type of value, numbers and bytes a number
_TYPES = {
    1: (1, 1), 2: (1, 1), 3: (1, 2), 4: (1, 4), 5: (2, 4), 6: (1, 1), 7: (1, 1),
    8: (1, 2), 9: (1, 4), 10: (2, 4), 11: (1, 4), 12: (1, 8), 13: (1, 4), 16: (1, 8), 18: (1, 8),
}  # fmt: skip

Tag = tuple[int, int, int, bytes]  # code, type, count, value in little-endian order


def settled(exif: bytes) -> bytes:
    """EXIF of orientation 1 and without thumbnail, which is of the noisy picture.

    Raises:
        Exception: Of any kind, if they are damaged.
    """
    data = bytearray(re.sub(rb"^(Exif\0\0)+", b"", exif))
    order, start = _head(data)
    places = list(_places(data, start, order))
    for place, code in places:
        if code == ORIENTATION:
            struct.pack_into(f"{order}HIHH", data, place + 2, 3, 1, 1, 0)
    end = start + 2 + 12 * len(places)
    data[end : end + 4] = bytes(4)  # no further directory
    return bytes(data)


def of_tiff(path: Path, start: int) -> bytes | None:
    """EXIF of the page whose directory starts at this byte of a TIFF file.

    Raises:
        Exception: Of any kind, if they are damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order = {b"I": "<", b"M": ">"}[data[:1]]
        tags = _tags(data, start, order)
        inner = _inner_tags(data, tags, order)
        kept = [_short(tag) for tag in tags if tag[0] in (*_DESCRIPTIVE, *inner)]
    if not kept:
        return None
    content = bytearray(b"II*\0\x08\0\0\0" + _packed(kept, 8))
    append(content, {code: [*map(_short, tags)] for code, tags in inner.items()})
    return bytes(content)


def for_tiff(exif: bytes) -> tuple[list[tuple], dict[int, list[Tag]]]:
    """EXIF as tifffile's extratags, and what `append` has to put behind the file.

    Raises:
        Exception: Of any kind, if they are damaged.
    """
    order, start = _head(exif)
    tags = _tags(exif, start, order)
    inner = _inner_tags(exif, tags, order)
    extra = [(*tag, True) for tag in tags if tag[0] in _DESCRIPTIVE]
    # tifffile refuses these by number
    extra += [(f"{_INNER[code]}Tag", 4, 1, bytes(4), True) for code in inner]
    return extra, inner


def append(content: bytearray, inner: dict[int, list[Tag]]) -> None:
    """Put inner directories behind a little-endian TIFF that has tags for them."""
    _, start = _head(content)
    for place, code in list(_places(content, start, "<")):
        if code in inner:
            content.extend(bytes(len(content) % 2))
            struct.pack_into("<I", content, place + 8, len(content))
            content.extend(_packed(inner[code], len(content)))


def _head(data: bytes | mmap.mmap) -> tuple[str, int]:
    order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(data[:4])]  # EXIF are never a BigTIFF
    return order, struct.unpack_from(f"{order}I", data, 4)[0]


def _layout(data: bytes | mmap.mmap) -> tuple[str, str, int]:
    # how the number of tags and that of values are stored, and bytes a tag: BigTIFF, TIFF
    return ("Q", "Q", 20) if 43 in data[2:4] else ("H", "I", 12)


def _places(data: bytes | mmap.mmap, start: int, order: str) -> Iterator[tuple[int, int]]:
    form, _, size = _layout(data)
    (count,) = struct.unpack_from(order + form, data, start)
    start += struct.calcsize(form)
    for place in range(start, start + size * count, size):
        yield place, struct.unpack_from(f"{order}H", data, place)[0]


def _tags(data: bytes | mmap.mmap, start: int, order: str) -> list[Tag]:
    tags = []
    _, form, step = _layout(data)
    room = struct.calcsize(form)
    for place, code in _places(data, start, order):
        kind, count = struct.unpack_from(f"{order}H{form}", data, place + 2)
        if kind not in _TYPES or code == _INTEROP:
            continue
        numbers, width = _TYPES[kind]
        size = count * numbers * width
        at = place + step - room
        if size > room:
            (at,) = struct.unpack_from(order + form, data, at)
        value = bytes(data[at : at + size])
        if len(value) < size:
            raise ValueError("EXIF end before their values")
        if order == ">":
            value = np.frombuffer(value, f"u{width}").byteswap().tobytes()
        tags.append((code, kind, count, value))
    return tags


def _inner_tags(data: bytes | mmap.mmap, tags: list[Tag], order: str) -> dict[int, list[Tag]]:
    starts = {code: int.from_bytes(value, "little") for code, *_, value in tags if code in _INNER}
    return {code: _tags(data, start, order) for code, start in starts.items()}


def _short(tag: Tag) -> Tag:
    code, kind, count, value = tag
    if kind not in (16, 18):  # numbers of 8 bytes, known to BigTIFF alone
        return tag
    return code, 4, count, np.frombuffer(value, "<u8").astype("<u4").tobytes()


def _packed(tags: list[Tag], offset: int) -> bytes:
    head, body = struct.pack("<H", len(tags)), b""
    behind = offset + 2 + 12 * len(tags) + 4
    for code, kind, count, value in sorted(tags):
        head += struct.pack("<HHI", code, kind, count)
        if len(value) > 4:
            head += struct.pack("<I", behind + len(body))
            body += value + bytes(len(value) % 2)
        else:
            head += value.ljust(4, b"\0")
    return head + bytes(4) + body
