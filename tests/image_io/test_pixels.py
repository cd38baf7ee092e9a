import numpy as np
import pytest
from pictures import joined, noise, save_pil
from PIL import Image, ImageOps

from denoise.image_io.pixels import (
    WHITE,
    apply_orientation,
    composite_on_white,
    convert_dtype,
    split_alpha,
    unpremultiply,
)
from denoise.image_io.read import read_photo


@pytest.mark.parametrize("orientation", range(10))
def test_orientations_equal_those_of_pillow(orientation):
    image = Image.fromarray(noise(3))
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    found = apply_orientation(np.asarray(image), orientation)
    np.testing.assert_array_equal(found, upright)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_alpha_is_split_off_behind_grey_or_colour(channels):
    pixels = noise(channels)
    colour, alpha = split_alpha(pixels)
    assert colour.shape[2] == (1 if channels < 3 else 3)
    assert (alpha is None) == (channels % 2 == 1)
    parts = [colour] if alpha is None else [colour, alpha]
    np.testing.assert_array_equal(np.concatenate(parts, 2), pixels)
    np.testing.assert_array_equal(split_alpha(pixels[..., 0])[0], pixels[..., :1])


def test_every_8_bit_value_survives_the_way_through_the_other_types():
    values = np.arange(256, dtype=np.uint8).reshape(1, -1, 1)
    for dtype in WHITE:
        other = convert_dtype(values, dtype)
        assert other.dtype == dtype
        np.testing.assert_allclose(other / WHITE[dtype], values / 255, atol=1e-7)
        np.testing.assert_array_equal(convert_dtype(other, np.dtype(np.uint8)), values)
    outside = np.array([-0.5, 1.5], np.float32)
    assert convert_dtype(outside, np.dtype(np.uint16)).tolist() == [0, 65535]


@pytest.mark.parametrize("dtype", WHITE, ids=str)
def test_unpremultiplied_colours_multiply_back(dtype):
    alpha = noise(1, dtype, (30, 40))
    alpha[0, 0] = 0
    weight = (alpha / WHITE[dtype]).astype(np.float32)
    product = convert_dtype(noise(3, np.float32, (30, 40)) * weight, dtype)
    straight = unpremultiply(product, alpha)
    assert straight.dtype == dtype
    back = straight * (alpha / WHITE[dtype])
    np.testing.assert_allclose(back, product, atol=0.51 if dtype.kind == "u" else 1e-6)
    assert (straight[0, 0] == 0).all()


def test_compositing_on_white():
    pixels, alpha = noise(3), noise(1)
    alpha[0, 0], alpha[0, 1] = 0, 255
    found = composite_on_white(pixels, alpha)
    want = pixels * (alpha / 255) + 255 * (1 - alpha / 255)
    np.testing.assert_allclose(found, want, atol=0.5001)
    assert (found[0, 0] == 255).all()
    np.testing.assert_array_equal(found[0, 1], pixels[0, 1])


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


def test_cmyk_becomes_rgb(tmp_path):
    for suffix in ("jpg", "tif"):
        image = Image.fromarray(noise(3)).convert("CMYK")
        image.save(tmp_path / f"a.{suffix}", icc_profile=b"no profile at all")
        found = read_photo(tmp_path / f"a.{suffix}")
        assert found.warnings == ["CMYK became RGB (sRGB)."]
        assert found.metadata.icc is None
        with Image.open(tmp_path / f"a.{suffix}") as image:
            np.testing.assert_array_equal(found.pages[0], image.convert("RGB"))
