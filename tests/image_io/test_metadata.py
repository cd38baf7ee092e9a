import struct

import numpy as np
import pytest
import tifffile
from pictures import ICC, XMP, exif_of, joined, look, noise, photo_of, save_pil
from PIL import Image, ImageOps
from PIL.ExifTags import IFD
from PIL.PngImagePlugin import PngInfo

from denoise.image_io.metadata import Metadata
from denoise.image_io.read import read_image, read_photo
from denoise.image_io.write import write_photo

ALL = [pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4, 5, 7, 8)]
CAMERA_LOST = "TIFF files are written without the EXIF data of camera and GPS."


def assert_described(path, orientation=1, camera=True):
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        assert exif.get(0x0112, 1) == orientation
        assert (exif[0x010F], exif[0x013B]) == ("Maker", "Ann")
        assert (0x8769 in exif, 0x8825 in exif) == (camera, camera)
        if not camera:
            return
        inner = exif.get_ifd(0x8769)
        assert (inner[0x8827], inner[0x9003]) == (400, "2024:05:06 07:08:09")
        assert float(inner[0x829A]) == pytest.approx(0.008)
        assert inner[0x927C] == b"\x07maker"
        assert [float(x) for x in exif.get_ifd(0x8825)[2]] == [47.0, 30.0, 15.5]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", [1, 6, *ALL])
def test_orientation_is_applied_once_and_the_rest_kept(tmp_path, suffix, orientation):
    source, path = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    exact = {"lossless": True} if suffix == "webp" else {}
    save_pil(source, noise(3), exif=exif_of(orientation).tobytes(), icc_profile=ICC, **exact)
    with Image.open(source) as image:
        image.load()
        upright = np.asarray(ImageOps.exif_transpose(image))
    found = read_photo(source)
    np.testing.assert_array_equal(found.pages[0], upright)
    np.testing.assert_array_equal(found.pages[0], read_image(source, 3))
    assert found.metadata.icc == ICC
    camera = suffix != "tif"
    assert write_photo(found, path) == ([] if camera else [CAMERA_LOST])
    assert_described(path, camera=camera)
    write_photo(found, tmp_path / "other.png")
    assert_described(tmp_path / "other.png")
    with Image.open(path) as image:
        assert image.info["icc_profile"] == ICC
    again = read_photo(path)
    assert not camera or again.metadata.exif == found.metadata.exif
    assert again.pages[0].shape == upright.shape
    if suffix != "jpg":
        np.testing.assert_array_equal(again.pages[0], upright)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_orientation_of_16_bit_files(tmp_path, orientation):
    pixels = noise(4, np.uint16)
    metadata = Metadata(exif=exif_of(orientation).tobytes()[6:])
    write_photo(photo_of(pixels, metadata=metadata), tmp_path / "a.png")
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extratags=[tag], extrasamples=["unassalpha"]
    )
    eight = Image.fromarray((pixels >> 8).astype(np.uint8))
    eight.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(eight))
    for suffix in ("png", "tif"):
        found = read_photo(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(joined(found) >> 8, upright)
        write_photo(found, tmp_path / f"b.{suffix}")
        np.testing.assert_array_equal(look(tmp_path / f"b.{suffix}"), joined(found))
        with Image.open(tmp_path / f"b.{suffix}") as image:
            assert image.getexif().get(0x0112, 1) == 1
    assert_described(tmp_path / "b.png")


def test_the_thumbnail_goes_and_every_other_byte_of_exif_stays(tmp_path):
    exif = exif_of(6).tobytes()[6:]
    (start,) = struct.unpack_from(">I", exif, 4)
    end = start + 2 + 12 * struct.unpack_from(">H", exif, start)[0]
    with_thumbnail = exif[:end] + struct.pack(">I", len(exif)) + exif[end + 4 :]
    with_thumbnail += struct.pack(">HHHIII", 1, 0x0100, 4, 1, 160, 0)
    save_pil(tmp_path / "a.jpg", noise(3), exif=b"Exif\0\0" + with_thumbnail)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get_ifd(IFD.IFD1) == {0x0100: 160}
    found = read_photo(tmp_path / "a.jpg")
    write_photo(found, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["exif"][6:] == found.metadata.exif
        assert image.getexif().get_ifd(IFD.IFD1) == {}
    changed = [a != b for a, b in zip(found.metadata.exif, with_thumbnail, strict=True)]
    assert 0 < sum(changed) <= 5


def test_a_tiff_keeps_maker_and_author_and_says_that_the_camera_data_go(tmp_path):
    exif = exif_of(1).tobytes()[6:].replace(b"Ann\0", "Än\0".encode())  # Pillow would write a "?"
    photo = photo_of(noise(1), metadata=Metadata(exif=exif))
    assert write_photo(photo, tmp_path / "a.tif") == [CAMERA_LOST]
    for source, target in (("a.tif", "b.png"), ("b.png", "c.tif")):
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            tags = tiff.pages.first.tags
            assert (tags[0x010F].value, tags[0x013B].value) == ("Maker", "Än")
            assert 0x8769 not in tags
            assert 0x8825 not in tags
        found = read_photo(tmp_path / source)
        assert found.metadata.exif.count("Än\0".encode()) == 1
        assert write_photo(found, tmp_path / target) == []
    assert read_photo(tmp_path / "c.tif").metadata.exif == found.metadata.exif


@pytest.mark.parametrize("dtype", ["u2", pytest.param("u1", marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif"])
@pytest.mark.parametrize("source", ["png", "jpg", "webp", "tif"])
def test_metadata_from_every_format_to_every_other(tmp_path, source, suffix, dtype):
    metadata = Metadata(ICC, exif_of(1).tobytes()[6:], XMP.replace(b"6", b"1"), (300.0, 300.0))
    start = photo_of(noise(3, dtype), metadata=metadata)
    lost = source == "tif"
    assert (CAMERA_LOST in write_photo(start, tmp_path / f"a.{source}")) == lost
    found = read_photo(tmp_path / f"a.{source}")
    assert found.warnings == []
    warnings = write_photo(found, tmp_path / f"b.{suffix}")
    deep = source in ("png", "tif") and dtype == "u2" and suffix not in ("png", "tif")
    assert any("8 bits" in warning for warning in warnings) == deep
    assert (CAMERA_LOST in warnings) == (suffix == "tif" and not lost)
    assert len(warnings) == deep + 3 * (suffix == "bmp") + (CAMERA_LOST in warnings)
    with Image.open(tmp_path / f"b.{suffix}") as image:
        image.load()
        if "webp" not in (source, suffix):  # which has no resolution
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        if suffix != "bmp":
            assert image.info["icc_profile"] == ICC
            assert image.info["xmp"] == XMP.replace(b"6", b"1")
    if suffix != "bmp":
        assert_described(tmp_path / f"b.{suffix}", camera="tif" not in (source, suffix))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_descriptions_in_a_bigtiff(tmp_path, byteorder):
    options = {"description": "A long description", "software": "s", "metadata": None}
    page = noise(3, np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, page, photometric="rgb", bigtiff=True, byteorder=byteorder, **options)
    found = read_photo(path)
    assert found.warnings == []
    write_photo(found, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert not tiff.is_bigtiff
        assert tiff.pages.first.description == "A long description"
        assert tiff.pages.first.software == "s"


def test_exif_in_a_bigtiff(tmp_path):
    save_pil(tmp_path / "a.tif", noise(3), exif=exif_of(1).tobytes(), big_tiff=True)
    assert (tmp_path / "a.tif").read_bytes()[2] == 43
    found = read_photo(tmp_path / "a.tif")
    assert found.warnings == []
    write_photo(found, tmp_path / "b.jpg")
    assert_described(tmp_path / "b.jpg")


def test_orientation_in_xmp_is_set_as_well(tmp_path):
    save_pil(tmp_path / "a.jpg", noise(3), xmp=XMP, exif=exif_of(6))
    assert read_photo(tmp_path / "a.jpg").metadata.xmp == XMP.replace(b"6", b"1")
    tags = [(700, 1, len(XMP), XMP, True), (274, 3, 1, 6, True)]
    page = noise(3, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", page, photometric="rgb", extratags=tags)
    assert read_photo(tmp_path / "a.tif").metadata.xmp == XMP.replace(b"6", b"1")


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_text_and_colour_of_a_png(tmp_path, dtype):
    info = PngInfo()
    info.add_text("Title", "One")
    info.add_text("Packed", "Two" * 50, zip=True)
    info.add_itxt("Author", "Ünë", "de", "Autor")
    info.add(b"gAMA", struct.pack(">I", 45455))
    save_pil(tmp_path / "a.png", noise(3), pnginfo=info, dpi=(72, 144))
    found = read_photo(tmp_path / "a.png")
    found.pages[0] = found.pages[0].astype(dtype)
    assert write_photo(found, tmp_path / "b.png") == []
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.text == {"Title": "One", "Packed": "Two" * 50, "Author": "Ünë"}
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.info["dpi"] == pytest.approx((72, 144), abs=0.02)
    assert any("text" in warning for warning in write_photo(found, tmp_path / "b.tif"))


def test_damaged_exif_does_not_stop_the_picture(tmp_path):
    pixels = noise(3)
    save_pil(tmp_path / "a.png", pixels, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    found = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pages[0], pixels)
    assert found.warnings == ["The EXIF data are damaged and left out."]
    assert found.metadata.exif is None


@pytest.mark.parametrize("source", ["jpg", "tif"])
def test_descriptions_that_are_numbers_are_left_out(tmp_path, source):
    exif = struct.pack("<2sHIH", b"II", 42, 8, 2)
    exif += struct.pack("<HHII", 0x010E, 4, 1, 2**32 - 1)  # as the number of bytes, a bomb
    exif += struct.pack("<HHI4s", 0x0131, 2, 4, b"me\0\0") + bytes(4)
    path = tmp_path / f"a.{source}"
    if source == "jpg":
        save_pil(path, noise(3), exif=b"Exif\0\0" + exif)
    else:
        tags = [(0x010E, 4, 1, 2**32 - 1, True), (0x0131, 2, 4, b"me\0\0", True)]
        options = {"photometric": "rgb", "metadata": None, "software": False}
        tifffile.imwrite(path, noise(3), extratags=tags, **options)
    found = read_photo(path)
    assert write_photo(found, tmp_path / "b.tif") == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        tags = tiff.pages.first.tags
        assert 0x010E not in tags
        assert tags[0x0131].value == "me"


def test_titles_of_windows_go_through_a_tiff(tmp_path):
    exif, title = exif_of(1), "Übung\0".encode("utf-16-le")
    exif[40091] = title
    save_pil(tmp_path / "a.jpg", noise(3), exif=exif.tobytes())
    write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.tif")
    write_photo(read_photo(tmp_path / "b.tif"), tmp_path / "c.png")
    for name in ("b.tif", "c.png"):
        with Image.open(tmp_path / name) as image:
            image.load()
            assert bytes(image.getexif()[40091]) == title


def test_exif_that_are_cut_off_are_not_written_to_a_tiff(tmp_path):
    exif = exif_of(1).tobytes()[6:76]
    (warning,) = write_photo(photo_of(noise(3), metadata=Metadata(exif=exif)), tmp_path / "a.tif")
    assert warning == "The EXIF data are damaged and left out."
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert 0x013B not in tiff.pages.first.tags
