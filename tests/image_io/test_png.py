import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import joined, look, noise, photo_of, png_of, write_png
from PIL import Image

from denoise.image_io import png
from denoise.image_io.read import read_image, read_photo
from denoise.image_io.write import write_photo


def write_interlaced(path, pixels):
    """Write a 16-bit PNG in the seven passes of Adam7, unfiltered."""
    H, W, C = pixels.shape
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2)]
    raw = b""
    for y, dy, x, dx in [*passes, (1, 2, 0, 1)]:
        part = pixels[y::dy, x::dx].astype(">u2")
        raw += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    header = struct.pack(">IIBBBBB", W, H, 16, {1: 0, 2: 4, 3: 2, 4: 6}[C], 0, 0, 1)
    path.write_bytes(png_of((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(11, 14), (1, 1), (3, 2)])
def test_interlaced_png_of_16_bits(tmp_path, channels, shape):
    pixels = noise(channels, np.uint16, shape)
    write_interlaced(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(look(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(joined(read_photo(tmp_path / "a.png")), pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", channels), pixels)


def test_16_bit_png_reads_the_same_everywhere(tmp_path):
    from kornia_rs.io import read_image as read_by_kornia

    for channels in (1, 3, 4):
        pixels = noise(channels, np.uint16, (31, 20))
        write_photo(photo_of(pixels), tmp_path / f"{channels}.png")
        np.testing.assert_array_equal(read_by_kornia(str(tmp_path / f"{channels}.png")), pixels)
        with Image.open(tmp_path / f"{channels}.png") as image:
            image.verify()
        with Image.open(tmp_path / f"{channels}.png") as image:
            eight = np.asarray(image).reshape(31, 20, channels)
            if channels > 1:
                np.testing.assert_array_equal(eight, pixels >> 8)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_transparent_grey_of_few_bits(tmp_path, bits):
    values = np.arange(8) % 2**bits
    row = int("".join(format(value, f"0{bits}b") for value in values), 2).to_bytes(bits, "big")
    header = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    data = zlib.compress(b"\0" + row)
    content = png_of((b"IHDR", header), (b"tRNS", b"\0\1"), (b"IDAT", data), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(content)
    found = read_photo(tmp_path / "a.png")
    assert found.pages[0][0, :, 0].tolist() == (values * 255 // (2**bits - 1)).tolist()
    assert found.alpha[0][0, :, 0].tolist() == np.where(values == 1, 0, 255).tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_colour_of_16_bits(tmp_path, channels):
    pixels = noise(channels, np.uint16)
    pixels[3, 4] = key = np.arange(channels) + 700
    write_photo(photo_of(pixels), tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk = b"tRNS" + key.astype(">u2").tobytes()
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    found = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pages[0], pixels)
    assert np.argwhere(found.alpha[0][..., 0] != 65535).tolist() == [[3, 4]]
    assert found.alpha[0][3, 4] == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_its_bits(tmp_path, channels):
    pixels = noise(channels, np.uint16, (9, 7))
    write_png(tmp_path / "a.png", pixels)
    found = read_image(tmp_path / "a.png", channels)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, pixels)


def test_chunks_are_found_by_name(tmp_path):
    content = png_of((b"IHDR", b"a"), (b"tEXt", b"one"), (b"IDAT", b"b"), (b"tEXt", b"two"))
    found = list(png.find_chunks(io.BytesIO(content), (b"tEXt", b"IDAT")))
    assert [chunk[1:] for chunk in found] == [(b"tEXt", b"one"), (b"IDAT", b"b"), (b"tEXt", b"two")]
    assert all(content[offset + 4 : offset + 8] == name for offset, name, _ in found)
    assert list(png.find_chunks(io.BytesIO(content[:30]), (b"IDAT",))) == []


def test_a_png_is_opened_once(tmp_path, monkeypatch):
    write_photo(photo_of(noise(3, np.uint16)), tmp_path / "a.png")
    opened, original = [], Path.open

    def count(path, *args, **kwargs):
        opened.append(path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", count)
    monkeypatch.setattr("builtins.open", lambda path, *args: pytest.fail(f"{path} opened again"))
    read_photo(tmp_path / "a.png")
    assert opened == [tmp_path / "a.png"]
