from dataclasses import replace

import numpy as np
import pytest
import tifffile
from pictures import ICC, joined, look, noise, photo_of, save_pil

from denoise.image_io.read import read_photo
from denoise.image_io.write import write_photo

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
        if channels in (2, 4):
            pixels[0, 0, -1] = 7  # WebP drops an alpha that is opaque everywhere
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


def test_webp_is_as_lossy_as_its_source(tmp_path):
    pixels = noise(3, shape=(40, 40))
    for lossy in (False, True):
        save_pil(tmp_path / "in.webp", pixels, lossless=not lossy, icc_profile=ICC)
        found = read_photo(tmp_path / "in.webp")
        assert found.lossy == lossy
        write_photo(found, tmp_path / "out.webp", overwrite=True)
        assert (look(tmp_path / "out.webp") == found.pages[0]).all() != lossy


def test_replaced_pages_are_written(tmp_path):
    save_pil(tmp_path / "a.png", noise(4), dpi=(96, 96))
    photo = read_photo(tmp_path / "a.png")
    restored = replace(photo, pages=[255 - photo.pages[0]])
    write_photo(restored, tmp_path / "b.png")
    np.testing.assert_array_equal(look(tmp_path / "b.png")[..., :3], 255 - photo.pages[0])
    np.testing.assert_array_equal(look(tmp_path / "b.png")[..., 3:], photo.alpha[0])
