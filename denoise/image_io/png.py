"""PNG files beyond what Pillow supports: their chunks, and 16 bits a channel."""

import io
import mmap
from collections.abc import Iterator
from typing import IO

import imagecodecs
import numpy as np

_HEADER = 8 + 25  # bytes of the signature and IHDR


def find_chunks(file: IO[bytes], names: tuple[bytes, ...]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the chunks of these names, as (offset, name, data)."""
    offset = 8  # of the signature
    file.seek(offset)
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name in names:
            yield offset, name, file.read(length)
        offset += length + 12
        file.seek(offset)


def bit_depth(file: IO[bytes]) -> int:
    """Return the bits of a channel, or of an index into a palette."""
    file.seek(24)
    return file.read(1)[0]


def decode(file: IO[bytes]) -> np.ndarray:
    """Decode a PNG of any bit depth as (H, W) or (H, W, 2 to 4), of uint8 or uint16."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return imagecodecs.png_decode(content)


def encode_16bit(pixels: np.ndarray, frame: IO[bytes]) -> bytes:
    """Encode uint16 pixels (H, W, 1 to 4), with all chunks before the pixels of another PNG."""
    encoded = imagecodecs.png_encode(np.ascontiguousarray(pixels))
    with io.BytesIO(encoded) as file:
        start, *_ = next(find_chunks(file, (b"IDAT",)))
    end, *_ = next(find_chunks(frame, (b"IDAT",)))
    frame.seek(_HEADER)
    return bytes(encoded[:_HEADER] + frame.read(end - _HEADER) + encoded[start:])
