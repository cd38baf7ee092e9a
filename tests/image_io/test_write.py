import errno
import os

import numpy as np
import pytest
from pictures import (
    joined,
    look,
    noise,
    photo_of,
)
from PIL import Image

from denoise.image_io import write as write_module
from denoise.image_io.errors import ImageError
from denoise.image_io.metadata import Metadata
from denoise.image_io.read import read_photo
from denoise.image_io.write import check_target, write_photo

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


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


def test_what_a_format_cannot_keep_is_said(tmp_path):
    deep = photo_of(noise(4, np.uint16))
    for suffix in ("jpg", "bmp"):
        warnings = write_photo(deep, tmp_path / f"a.{suffix}")
        assert len(warnings) == 2
        assert "8 bits" in warnings[0]
        assert "composited on white" in warnings[1]
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


def test_names_that_cannot_be_written(tmp_path):
    photo = photo_of(noise(3))
    with pytest.raises(ImageError, match=r"a\.gif has suffix '\.gif': choose one of \.png, \.jpg"):
        write_photo(photo, tmp_path / "a.gif")
    with pytest.raises(ImageError, match=r"has suffix ''"):
        write_photo(photo, tmp_path / "a")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=r"folder\.png is a folder: choose another name"):
        write_photo(photo, tmp_path / "folder.png", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=r"a\.png cannot be written \(.*file is a file\): choose"):
        write_photo(photo, tmp_path / "file" / "a.png")
    wide = photo_of(np.zeros((1, 20000, 1), np.uint8))
    with pytest.raises(ImageError, match=r"a\.webp can have 16383 pixels a side: choose suffix"):
        write_photo(wide, tmp_path / "a.webp")


def test_folders_that_refuse(tmp_path, monkeypatch):
    photo, path = photo_of(noise(3)), tmp_path / "new" / "a.png"

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(write_module.Path, "write_bytes", refuse)
        with pytest.raises(
            ImageError, match=r"written \(Permission denied\): choose another folder"
        ):
            write_photo(photo, path)
    path.parent.rmdir()
    monkeypatch.setattr(write_module.os, "access", lambda folder, mode: folder != tmp_path)
    with pytest.raises(ImageError, match=r"may not write into .*\): change its permissions or ch"):
        check_target(photo, path)
    assert not path.parent.exists()


def test_nothing_is_overwritten_unasked(tmp_path):
    first, second = photo_of(noise(3)), photo_of(noise(3))
    path = tmp_path / "new" / "folder" / "A.PNG"
    write_photo(first, str(path))
    with pytest.raises(ImageError, match=r"A\.PNG exists: set overwrite=true"):
        write_photo(second, path)
    np.testing.assert_array_equal(read_photo(path).pages[0], first.pages[0])
    write_photo(second, path, overwrite=True)
    np.testing.assert_array_equal(read_photo(path).pages[0], second.pages[0])
    assert os.listdir(path.parent) == ["A.PNG"]


@pytest.mark.parametrize("step", ["encoder", "write", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch, step, error, there):
    path, photo = tmp_path / "a.png", photo_of(noise(3))
    if there:
        path.write_bytes(b"the old one")

    def fail(*args, **kwargs):
        raise error

    def fail_halfway(part, content):
        with part.open("wb") as file:
            file.write(content[:40])
        raise error

    if step == "encoder":
        monkeypatch.setattr(write_module, "_encode", fail)
    elif step == "write":
        monkeypatch.setattr(write_module.Path, "write_bytes", fail_halfway)
    else:
        monkeypatch.setattr(write_module.os, "replace", fail)
    expected = ImageError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_photo(photo, path, overwrite=there)
    if expected is ImageError:
        assert "a.png cannot be written (No space left): free space there" in str(caught.value)
    assert os.listdir(tmp_path) == (["a.png"] if there else [])
    assert not there or path.read_bytes() == b"the old one"


def test_a_real_full_disk(tmp_path, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    original = write_module.Path.open

    def opened(self, mode="r", *args, **kwargs):
        return open("/dev/full", "wb") if "w" in mode else original(self, mode, *args, **kwargs)

    monkeypatch.setattr(write_module.Path, "open", opened)
    with pytest.raises(ImageError, match=r"a\.png cannot be written \(No space left on device\)"):
        write_photo(photo_of(noise(3)), tmp_path / "a.png")
