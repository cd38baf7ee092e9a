import sys
import types

import numpy as np
import pytest
import tifffile
from pictures import noise, save_noise

from denoise.image_io.errors import ImageError
from denoise.image_io.sensor import read_sensor


def test_a_mosaic_has_four_planes(tmp_path):
    stored = noise(1, "u2", (9, 12))[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", stored)
    frame = read_sensor(tmp_path / "a.tif", "RGGB")
    assert (frame.planes.shape, frame.black, frame.white) == ((4, 6, 4), None, 65535)
    np.testing.assert_array_equal(frame.planes[..., 1], stored[:8:2, 1::2])
    save_noise(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"b\.png has 3 channels, so it is no mosaic"):
        read_sensor(tmp_path / "b.png", "RGGB")
    assert read_sensor(tmp_path / "b.png", None).planes.shape == (12, 10, 3)


class Raw:
    black_level_per_channel = (510, 512, 514, 512)
    white_level = 16383
    raw_image_visible = noise(1, "u2", (8, 12))[..., 0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_raw_files_state_black_and_white(tmp_path, monkeypatch):
    (tmp_path / "a.nef").touch()
    monkeypatch.setitem(sys.modules, "rawpy", types.SimpleNamespace(imread=lambda path: Raw()))
    frame = read_sensor(tmp_path / "a.nef", None)
    assert (frame.planes.shape, frame.black, frame.white) == ((4, 6, 4), 512, 16383)
    monkeypatch.setattr(Raw, "raw_image_visible", noise(4, "u2", (8, 12)))
    assert read_sensor(tmp_path / "a.nef", None).planes.shape == (8, 12, 3)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(ImageError, match=r"a\.nef is a raw file: pip install 'denoise\[raw\]'"):
        read_sensor(tmp_path / "a.nef", None)
