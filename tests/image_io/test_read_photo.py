import errno
import io
import os
import struct
import zlib
from functools import partial

import numpy as np
import pytest
import tifffile
from pictures import (
    ICC,
    XMP,
    exif_of,
    noise,
    photo_of,
    save_pil,
)
from PIL import Image

from denoise.image_io import write as write_module
from denoise.image_io.errors import ImageError
from denoise.image_io.metadata import Metadata
from denoise.image_io.photo import Photo
from denoise.image_io.read import read_image, read_photo
from denoise.image_io.write import write_photo


@pytest.mark.parametrize("kind", ["png", "png16", "jpg", "webp", "bmp", "tif", "tif16"])
@pytest.mark.parametrize("keep", [0.1, 0.7])
def test_truncated_files_give_one_line(tmp_path, kind, keep):
    suffix = kind.removesuffix("16")
    pixels = noise(3, np.uint16 if kind != suffix else np.uint8, (40, 40))
    write_photo(photo_of(pixels), tmp_path / f"cut.{suffix}")
    content = (tmp_path / f"cut.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(
        ImageError, match=r"cut.* cannot be read \(.+\): give a whole PNG"
    ) as caught:
        read_photo(tmp_path / f"cut.{suffix}")
    assert "\n" not in str(caught.value)


def test_a_tiff_cut_between_pages_is_not_a_shorter_tiff(tmp_path):
    pages = Photo([noise(3, "u2") for _ in range(3)], [None] * 3)
    write_photo(pages, tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        ends = [page.offset for page in tiff.pages]
    for end in ends[1:]:
        (tmp_path / "a.tif").write_bytes(content[:end])
        with pytest.raises(ImageError, match=r"a\.tif cannot be read"):
            read_photo(tmp_path / "a.tif")


def test_a_tiff_cut_before_its_first_page_is_damaged(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(1, "u2")[..., 0])
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:8])
    with pytest.raises(ImageError, match=r"cannot be read \(page 1 is damaged\): give a whole"):
        read_photo(tmp_path / "a.tif")


def test_files_that_are_no_pictures_give_one_line(tmp_path, monkeypatch):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    save_pil(tmp_path / "still.gif", noise(3))
    with pytest.raises(ImageError, match=r"empty\.png cannot be read \(0 bytes\): give a whole"):
        read_photo(tmp_path / "empty.png")
    for name in ("text.jpg", "still.gif"):
        with pytest.raises(ImageError, match=rf"{name} cannot be read \(.*\): give a whole PNG"):
            read_photo(tmp_path / name)
    with pytest.raises(ImageError, match=r"gone\.png does not exist: check the path"):
        read_photo(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="is a folder: give the pictures in it"):
        read_photo(tmp_path)
    tifffile.imwrite(tmp_path / "nan.tif", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ImageError, match=r"nan\.tif .*infinite or undefined"):
        read_photo(tmp_path / "nan.tif")

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(write_module.Path, "open", refuse)
    with pytest.raises(ImageError, match=r"empty\.png may not be read by you: change its perm"):
        read_photo(tmp_path / "empty.png")
    monkeypatch.setattr(write_module.Path, "is_dir", refuse)  # as in a folder that is locked
    with pytest.raises(ImageError, match=r"empty\.png may not be read by you: change its perm"):
        read_photo(tmp_path / "empty.png")


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(noise(3)) for _ in range(3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="an animation: give its 3 frames as files"):
        read_photo(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("depth", [8, 16])
def test_bombs_are_refused_before_decoding(tmp_path, monkeypatch, depth):
    write_photo(photo_of(noise(3, f"u{depth // 8}")), tmp_path / "bomb.png")
    content = bytearray((tmp_path / "bomb.png").read_bytes())
    content[16:24] = struct.pack(">II", 30000, 30000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "bomb.png").write_bytes(content)
    monkeypatch.setattr(Image.Image, "load", None)
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match=r"too large \(.*900000000 pixels.*set max_pixels above"):
        read_photo(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="not callable"):  # a larger limit is obeyed
        read_photo(tmp_path / "bomb.png", max_pixels=10**9)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_the_callers_limit_counts_all_pages(tmp_path, dtype):
    write_photo(Photo([noise(3, dtype)] * 3, [None] * 3), tmp_path / "a.tif")
    write_photo(photo_of(noise(3, dtype)), tmp_path / "a.png")
    assert len(read_photo(tmp_path / "a.tif", max_pixels=3 * 11 * 14).pages) == 3
    with pytest.raises(ImageError, match=r"a\.tif is too large \(462 pixels, 3 pages, .*: set max"):
        read_photo(tmp_path / "a.tif", max_pixels=3 * 11 * 14 - 1)
    assert read_photo(tmp_path / "a.png", max_pixels=11 * 14).pages
    for limit in (11 * 14 - 1, 3):
        with pytest.raises(ImageError, match=r"a\.png is too large .*above"):
            read_photo(tmp_path / "a.png", max_pixels=limit)


def test_reading_is_silent_on_damaged_files(tmp_path, caplog, capfd):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, noise(3, np.uint16), photometric="rgb")
    content = buffer.getvalue()
    for end in range(1, len(content), 41):
        (tmp_path / "a.tif").write_bytes(content[:end])
        with pytest.raises(ImageError) as caught:
            read_photo(tmp_path / "a.tif")
        assert "\n" not in str(caught.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["png", "png16", "jpg", "webp", "bmp", "tif", "tif16"])
def test_changed_bytes_end_in_a_picture_or_in_one_line(tmp_path, kind):
    path = tmp_path / f"a.{kind.removesuffix('16')}"
    metadata = Metadata(ICC[:300], exif_of(1).tobytes()[6:], XMP, (300.0, 300.0))
    pixels = noise(3, np.uint16 if "16" in kind else np.uint8)
    write_photo(photo_of(pixels, metadata=metadata), path)
    content = path.read_bytes()
    generator, lines = np.random.default_rng(3), ["a line"]
    for _ in range(60):
        changed = bytearray(content)
        for offset in generator.integers(0, len(content), 4):
            changed[offset] = generator.integers(256)
        path.write_bytes(changed)
        try:
            assert read_photo(path, max_pixels=10**7).pages
        except ImageError as error:
            lines.append(str(error))
    assert not any("\n" in line for line in lines)


def test_the_second_picture_of_a_telephone_jpeg_is_left_out(tmp_path):
    frames = [Image.fromarray(noise(3)) for _ in range(2)]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    found = read_photo(tmp_path / "a.jpg")
    assert (found.format, len(found.pages), len(found.warnings)) == ("JPEG", 1, 1)
    write_photo(found, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.format == "JPEG"


def lying_tiff(path, bits, samples):
    """Write 200 bytes of TIFF that promise 13370 x 13370 pixels."""
    side = 13370
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, bits), (259, 3, 1, 8), (262, 3, 1, 2),
            (273, 4, 1, 200), (277, 3, 1, samples), (278, 4, 1, side), (279, 4, 1, 8),
            (339, 3, 1, 3)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    header = b"II*\0" + struct.pack("<I", 8) + directory + bytes(4)
    path.write_bytes(header.ljust(200, b"\0") + zlib.compress(b""))


def test_memory_is_decided_by_the_header(tmp_path):
    lying_tiff(tmp_path / "a.tif", 64, 3)
    with pytest.raises(ImageError, match=r"a\.tif: its pixels.* take 12\.0 GiB.* memory is 1 GiB"):
        read_photo(tmp_path / "a.tif", memory=2**30)
    Image.new("L", (4000, 1000)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: its pixels"):
        read_photo(tmp_path / "a.png", memory=10**7)
    assert read_photo(tmp_path / "a.png", memory=1.3e7).pages[0].shape == (1000, 4000, 1)


def test_a_picture_without_channels(tmp_path):
    lying_tiff(tmp_path / "a.tif", 8, 0)
    with pytest.raises(ImageError, match="TIFF of 0 channels"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this platform")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    for read in (read_photo, partial(read_image, channels=3)):
        with pytest.raises(ImageError, match=r"x\.png is no file but a pipe"):
            read(tmp_path / "x.png")
