import logging

import numpy as np
import pytest
import tifffile
from pictures import (
    write_png,
)
from PIL import Image

from denoise.image_io import read
from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_image, read_images
from denoise.image_io.value_range import PERCENTILES, Bounds

RNG = np.random.default_rng(0)
COLOUR8 = RNG.integers(0, 256, (20, 31, 3), np.uint8)
COLOUR16 = RNG.integers(0, 65536, (20, 31, 3), np.uint16)


def luma(pixels):
    return np.floor(pixels @ np.array([0.299, 0.587, 0.114]) + 0.5)[..., None]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("bmp", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
    ],
)
def test_lossless_8_bit_files_come_back_exactly(tmp_path, suffix, options):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR8).save(path, **options)
    assert read_image(path, 3).dtype == np.uint8
    np.testing.assert_array_equal(read_image(path, 3), COLOUR8)
    np.testing.assert_array_equal(read_image(str(path), 1), luma(COLOUR8))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_8_bit_files_come_back_exactly(tmp_path, suffix):
    Image.fromarray(COLOUR8[..., 0]).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}", 1), COLOUR8[..., :1])


def test_jpeg_equals_pil(tmp_path):
    Image.fromarray(COLOUR8).save(tmp_path / "a.JPG", quality=90)
    with Image.open(tmp_path / "a.JPG") as image:
        np.testing.assert_array_equal(read_image(tmp_path / "a.JPG", 3), np.asarray(image))


def test_16_bit_colour_png_becomes_grey(tmp_path):
    write_png(tmp_path / "a.png", COLOUR16)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 1), luma(COLOUR16))


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb"},
        {"photometric": "rgb", "compression": "zlib"},
        {"photometric": "rgb", "planarconfig": "separate"},
        {"photometric": "rgb", "bigtiff": True, "byteorder": ">"},
    ],
)
def test_16_bit_and_float_tiff(tmp_path, options):
    planar = options.get("planarconfig") == "separate"
    for pixels in (COLOUR16, (COLOUR16 / 65535).astype(np.float32)):
        stored = np.moveaxis(pixels, 2, 0) if planar else pixels
        tifffile.imwrite(tmp_path / "a.tif", stored, **options)
        found = read_image(tmp_path / "a.tif", 3)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, COLOUR16)


def test_inverted_grey_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "b.tif", COLOUR16[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif", 1), 65535 - COLOUR16[..., :1])


def test_alpha_is_dropped_and_palettes_resolved(tmp_path):
    alpha = RNG.integers(0, 256, (20, 31, 1), np.uint8)
    Image.fromarray(np.concatenate([COLOUR8, alpha], 2)).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", 3), COLOUR8)
    assert read_image(tmp_path / "rgba.png", 4).shape == (20, 31, 4)
    write_png(tmp_path / "la.png", np.concatenate([COLOUR8[..., :1], alpha], 2))
    np.testing.assert_array_equal(read_image(tmp_path / "la.png", 1), COLOUR8[..., :1])
    palette = Image.fromarray(COLOUR8).quantize(8)
    palette.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png", 3), palette.convert("RGB"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_is_applied(tmp_path, suffix):
    image = Image.fromarray(np.full((8, 16, 3), 90, np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    assert read_image(tmp_path / f"a.{suffix}", 3).shape == (16, 8, 3)


@pytest.mark.parametrize("save", ["png", "jpg", "webp", "bmp", "tif", "png16", "tif16"])
@pytest.mark.parametrize("keep", [0.1, 0.6])
def test_a_truncated_file_is_named(tmp_path, save, keep):
    path = tmp_path / "cut.png"
    if save == "png16":
        write_png(path, COLOUR16)
    elif save == "tif16":
        tifffile.imwrite(path, COLOUR16, photometric="rgb")
    else:
        with path.open("wb") as file:
            form = {"jpg": "JPEG", "tif": "TIFF"}.get(save, save)
            Image.fromarray(COLOUR8).save(
                file, form, **({"lossless": True} if save == "webp" else {})
            )
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ImageError, match=r"cut\.png cannot be read \(.+\): fix or remove it; on_e"):
        read_image(path, 3)


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no image at all")
    (tmp_path / "movie.gif").write_bytes(b"GIF89a")
    with pytest.raises(ImageError, match=r"empty\.png cannot be read \(0 bytes\).*on_error=skip"):
        read_image(tmp_path / "empty.png", 3)
    with pytest.raises(ImageError, match=r"text\.jpg cannot be read"):
        read_image(tmp_path / "text.jpg", 3)
    with pytest.raises(ImageError, match=r"movie\.gif cannot be read"):
        read_image(tmp_path / "movie.gif", 3)
    with pytest.raises(ImageError, match=r"gone\.png does not exist: check the path"):
        read_image(tmp_path / "gone.png", 3)
    with pytest.raises(ImageError, match="is a folder: give the pictures in it"):
        read_image(tmp_path, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_bombs_are_refused_before_decoding(tmp_path, monkeypatch, dtype, side):
    monkeypatch.setattr(read, "MAX_PIXELS", 50_000_000)
    monkeypatch.setattr(Image.Image, "load", None)
    write_png(tmp_path / "bomb.png", np.zeros((4, 4, 3), dtype), size=(side, side))
    with pytest.raises(ImageError, match=r"bomb\.png .*pixels"):
        read_image(tmp_path / "bomb.png", 3)


def test_channels_that_do_not_fit(tmp_path):
    write_png(tmp_path / "grey.png", COLOUR8[..., :1])
    write_png(tmp_path / "colour.png", COLOUR8)
    with pytest.raises(ImageError, match=r"grey\.png is grey.*set channels=1.*on_error=skip"):
        read_image(tmp_path / "grey.png", 4)
    with pytest.raises(ImageError, match=r"colour\.png is of 3 channels.*set channels=3"):
        read_image(tmp_path / "colour.png", 5)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (COLOUR16[..., 0].astype(np.int32), "int32 values"),
        (COLOUR16[..., 0].astype(np.int16), r"int16 values: declare .*range="),
        (COLOUR16[..., 0].astype(np.float32), r"outside \[0, 1\]"),
        (np.full((5, 6), np.nan, np.float32), "infinite or undefined"),
        (np.zeros((5, 6), np.complex64), "complex64 values"),
    ],
)
def test_tiffs_of_other_kinds_are_refused(tmp_path, pixels, reason):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(ImageError, match=rf"a\.tif cannot be read \(.*{reason}"):
        read_image(tmp_path / "a.tif", 1)


def test_failures_are_one_line_and_silent(tmp_path, caplog, capfd):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR16, photometric="rgb")
    content = (tmp_path / "a.tif").read_bytes()
    with caplog.at_level(logging.DEBUG):
        for end in range(1, len(content), 37):
            (tmp_path / "a.tif").write_bytes(content[:end])
            with pytest.raises(ImageError) as caught:
                read_image(tmp_path / "a.tif", 3)
            assert "\n" not in str(caught.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_grey_image_is_repeated_in_colour_and_told_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(read, "_told", set())
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, COLOUR8[..., :1])
        found = read_image(tmp_path / name, 3)
        np.testing.assert_array_equal(found, COLOUR8[..., :1].repeat(3, 2))
    (record,) = caplog.records
    assert "a.png: a grey image is repeated" in record.getMessage()


def test_twelve_of_sixteen_bits_are_told_and_declared(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(read, "_told", set())
    sensor = np.random.default_rng(0).integers(0, 4096, (5, 6), dtype=np.uint16)
    sensor[0, :2] = 0, 4095
    tifffile.imwrite(tmp_path / "a.tif", sensor)
    read_image(tmp_path / "a.tif", 1)
    assert "12 of 16 bits are used: if they are all there are, range=[0,4095]" in caplog.text
    full = read_images(tmp_path / "a.tif", 1, Bounds(0, 4095))[0]
    np.testing.assert_array_equal(full[..., 0], np.rint(sensor / 4095 * 65535))
    caplog.clear()
    read_images(tmp_path / "a.tif", 1, Bounds(0, 2000))[0]
    assert "of the values lie outside range=[0, 2000]: clipped" in caplog.text


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_values_of_any_scale_with_their_range(tmp_path, dtype):
    values = np.random.default_rng(0).integers(-1024, 3072, (5, 6)).astype(dtype)
    tifffile.imwrite(tmp_path / "ct.tif", values)
    found = read_images(tmp_path / "ct.tif", 1, Bounds(-1024, 3071))[0][..., 0]
    np.testing.assert_array_equal(found, np.rint((values + 1024.0) / 4095 * 65535))
    found = read_images(tmp_path / "ct.tif", 1, "percentile")[0]
    low, high = np.percentile(values, PERCENTILES)
    expected = np.clip((values - low) / (high - low), 0, 1) * 65535
    np.testing.assert_allclose(found[..., 0], expected, atol=1)


@pytest.mark.parametrize(("suffix", "options"), [("gif", {}), ("webp", {"lossless": True})])
def test_frames_of_an_animation_are_images_of_a_set(tmp_path, suffix, options):
    frames = [np.full((12, 14, 3), level, np.uint8) for level in (10, 120, 250)]
    first, *others = map(Image.fromarray, frames)
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others, **options)
    found = read_images(tmp_path / f"a.{suffix}", 3)
    np.testing.assert_allclose(np.stack(found), np.stack(frames), atol=3)


def test_an_animation_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_PIXELS", 2 * 12 * 14)
    frames = [Image.fromarray(np.full((12, 14, 3), level, np.uint8)) for level in (10, 120, 250)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"a\.gif cannot be read \(3 frames of 12x14"):
        read_images(tmp_path / "a.gif", 3)
