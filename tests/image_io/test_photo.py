import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from pictures import ICC, joined, look, noise, photo_of, save_pil
from PIL import Image

from denoise.image_io.metadata import Metadata
from denoise.image_io.read import read_image, read_photo
from denoise.image_io.write import write_photo

RNG = np.random.default_rng(0)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


LOSSLESS = [
    (suffix, dtype, channels)
    for suffix, dtypes, counts in [
        ("png", "u1 u2", (1, 2, 3, 4)),
        ("tif", "u1 u2 f4", (1, 2, 3, 4)),
        ("webp", "u1", (3, 4)),
        ("bmp", "u1", (1, 3)),
    ]
    for dtype in dtypes.split()
    for channels in counts
]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), LOSSLESS)
def test_pixels_come_back_exactly(tmp_path, suffix, dtype, channels):
    for shape in ((11, 14), (1, 1), (1, 5), (4, 3)):
        pixels = noise(channels, dtype, shape)
        path = tmp_path / f"{shape}.{suffix}"
        assert write_photo(photo_of(pixels), path) == []
        np.testing.assert_array_equal(look(path), pixels)
        assert look(path).dtype == dtype
        found = read_photo(path)
        assert found.format == {"tif": "TIFF"}.get(suffix, suffix.upper())
        assert (len(found.pages), found.lossy, found.warnings) == (1, False, [])
        assert found.pages[0].shape[2] == (1 if channels < 3 else 3)
        np.testing.assert_array_equal(joined(found), pixels)
        assert joined(found).dtype == dtype


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_files_that_others_wrote_come_back_exactly(tmp_path, dtype, channels):
    pixels = noise(channels, dtype)
    paths = [tmp_path / "lzw.tif", tmp_path / "a.png", tmp_path / "a.webp", tmp_path / "a.tif"]
    if dtype == "u1":
        save_pil(paths[0], pixels, compression="tiff_lzw")
        save_pil(paths[1], pixels)
        save_pil(paths[2], pixels, lossless=True, exact=True)
    photometric = "rgb" if channels > 2 else "minisblack"
    extra = {} if channels % 2 else {"extrasamples": ["unassalpha"]}
    stored = pixels if channels > 1 else pixels[..., 0]
    planar = "contig" if channels > 1 else None
    tifffile.imwrite(
        paths[3], stored, photometric=photometric, planarconfig=planar, byteorder=">", **extra
    )
    for path in paths:
        if path.exists():
            found = joined(read_photo(path))
            want = pixels
            if path.suffix == ".webp" and channels < 3:  # which has no grey
                found = found[..., [0, 3][:channels]]
            np.testing.assert_array_equal(found, want, str(path))


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


def png_of(*chunks):
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    return content


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


def test_jpegs_are_of_high_quality(tmp_path):
    ramp = np.linspace(0, 255, 40)
    colour = np.stack(np.broadcast_arrays(ramp[:, None], ramp, 128), 2).astype(np.uint8)
    for pixels in (colour, colour[..., 1:2]):
        path = tmp_path / f"{pixels.shape[2]}.jpg"
        assert write_photo(photo_of(pixels), path) == []
        with Image.open(path) as image:
            assert image.mode == MODES[pixels.shape[2]]
            assert pixels.shape[2] == 1 or image.layer[0][1:3] == image.layer[1][1:3]  # 4:4:4
            assert np.abs(look(path) - pixels.astype(int)).max() <= 4
        found = read_photo(path)
        assert (found.format, found.lossy, found.alpha) == ("JPEG", True, [None])
        np.testing.assert_array_equal(found.pages[0], look(path))


def test_webp_is_as_lossy_as_its_source(tmp_path):
    pixels = noise(3, shape=(40, 40))
    for lossy in (False, True):
        save_pil(tmp_path / "in.webp", pixels, lossless=not lossy, icc_profile=ICC)
        found = read_photo(tmp_path / "in.webp")
        assert found.lossy == lossy
        write_photo(found, tmp_path / "out.webp", overwrite=True)
        assert (look(tmp_path / "out.webp") == found.pages[0]).all() != lossy


def test_palettes_and_transparent_colours(tmp_path):
    palette = Image.fromarray(noise(3)).quantize(8)
    palette.save(tmp_path / "opaque.png")
    palette.save(tmp_path / "holes.png", transparency=bytes([0, 90, 255]))
    palette.save(tmp_path / "a.bmp")
    palette.save(tmp_path / "a.tif")
    for name in ("opaque.png", "a.bmp", "a.tif"):
        np.testing.assert_array_equal(joined(read_photo(tmp_path / name)), palette.convert("RGB"))
    with Image.open(tmp_path / "holes.png") as image:
        np.testing.assert_array_equal(
            joined(read_photo(tmp_path / "holes.png")), image.convert("RGBA")
        )
    save_pil(tmp_path / "key.png", noise(3), transparency=(1, 2, 3))
    assert read_photo(tmp_path / "key.png").alpha[0].min() == 255
    Image.fromarray(noise(1)[..., 0] > 99).save(tmp_path / "bits.tif", compression="group4")
    assert set(np.unique(read_photo(tmp_path / "bits.tif").pages[0])) == {0, 255}


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


def test_cmyk_becomes_rgb(tmp_path):
    for suffix in ("jpg", "tif"):
        image = Image.fromarray(noise(3)).convert("CMYK")
        image.save(tmp_path / f"a.{suffix}", icc_profile=b"no profile at all")
        found = read_photo(tmp_path / f"a.{suffix}")
        assert found.warnings == ["CMYK became RGB (sRGB)."]
        assert found.metadata.icc is None
        with Image.open(tmp_path / f"a.{suffix}") as image:
            np.testing.assert_array_equal(found.pages[0], image.convert("RGB"))


def test_what_a_format_cannot_keep_is_said(tmp_path):
    deep = photo_of(noise(4, np.uint16))
    for suffix in ("jpg", "bmp"):
        warnings = write_photo(deep, tmp_path / f"a.{suffix}")
        assert len(warnings) == 2
        assert "8 bits" in warnings[0]
        assert "laid over white" in warnings[1]
    weight = deep.alpha[0] / 65535
    white = deep.pages[0] / 257 * weight + 255 * (1 - weight)
    assert np.abs(look(tmp_path / "a.bmp") - white).max() < 1.5
    assert len(write_photo(deep, tmp_path / "a.webp")) == 1
    eight = np.rint(joined(deep) / 257).astype(np.uint8)
    np.testing.assert_array_equal(look(tmp_path / "a.webp"), eight)
    values = noise(3, np.float32) * 1.5
    (warning,) = write_photo(photo_of(values), tmp_path / "f.png")
    assert warning == "PNG holds 16 bits at most: float32 was rounded, clipped to [0, 1]."
    want = np.rint(values.clip(0, 1) * 65535)
    np.testing.assert_array_equal(look(tmp_path / "f.png"), want)
    grey = Metadata(icc=b"\0" * 16 + b"GRAY" + b"\0" * 200)
    (warning,) = write_photo(photo_of(noise(1), metadata=grey), tmp_path / "g.webp")
    assert "grey colour profile" in warning
    long = Metadata(exif=b"II*\0" + bytes(70000))
    (warning,) = write_photo(photo_of(noise(3), metadata=long), tmp_path / "g.jpg")
    assert "too long" in warning


def test_the_second_picture_of_a_telephone_jpeg_is_left_out(tmp_path):
    frames = [Image.fromarray(noise(3)) for _ in range(2)]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    found = read_photo(tmp_path / "a.jpg")
    assert (found.format, len(found.pages), len(found.warnings)) == ("JPEG", 1, 1)
    write_photo(found, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.format == "JPEG"


def test_replaced_pages_are_written(tmp_path):
    save_pil(tmp_path / "a.png", noise(4), dpi=(96, 96))
    photo = read_photo(tmp_path / "a.png")
    restored = replace(photo, pages=[255 - photo.pages[0]])
    write_photo(restored, tmp_path / "b.png")
    np.testing.assert_array_equal(look(tmp_path / "b.png")[..., :3], 255 - photo.pages[0])
    np.testing.assert_array_equal(look(tmp_path / "b.png")[..., 3:], photo.alpha[0])
