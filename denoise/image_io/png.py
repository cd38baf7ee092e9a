"""What PIL leaves undone with PNG files: their chunks one by one, and 16 bits a sample."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Go through the chunks of a PNG, as (name, data)."""
    file.seek(len(_SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        yield name, file.read(length)
        file.seek(4, 1)


def deep(image: Image.Image, path: Path) -> np.ndarray:
    """Decode a 16-bit PNG, opened from this path, as (H, W, 1 to 4) of uint16.

    PIL gives the high byte of each sample of colour, and the low one if told that it is the high.
    torchvision gives both, but damaged files end the whole process in its 0.29.
    """
    raw = image.tile[0][3]
    if raw == "LA;16B":
        image.tile = [(*image.tile[0][:3], "RGBA")]  # as wide, each byte on its own
        return np.asarray(image).view(">u2").astype(np.uint16)
    high = np.asarray(image)
    if high.ndim == 2:  # of grey it gives all
        return high.astype(np.uint16)[..., None]
    with Image.open(path, formats=("PNG",)) as again:
        again.tile = [(*again.tile[0][:3], raw.replace("16B", "16L"))]
        return high.astype(np.uint16) << 8 | np.asarray(again)


def with_pixels(written: bytes, pixels: np.ndarray) -> bytes:
    """Exchange the pixels of a written PNG, of one IDAT, for uint16 ones of (H, W, 1 to 4)."""
    H, W, C = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[C]
    rows = pixels.astype(">u2").view(np.uint8).reshape(H, W * C * 2)
    filtered = np.empty((H, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # each byte less the one above
    filtered[0, 1:], filtered[1:, 1:] = rows[0], rows[1:] - rows[:-1]
    exchanged = {
        b"IHDR": struct.pack(">IIBBBBB", W, H, 16, kind, 0, 0, 0),
        b"IDAT": zlib.compress(filtered),
    }
    content = bytearray(_SIGNATURE)
    for name, data in chunks(io.BytesIO(written)):
        data = exchanged.get(name, data)
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
    return bytes(content)
