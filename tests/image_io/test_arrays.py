import json
import pickle

import numpy as np
import pytest
from pictures import noise

from denoise.image_io.arrays import image_axes, read
from denoise.image_io.errors import ImageError, TooLargeError
from denoise.image_io.read import read_images
from denoise.image_io.value_range import Bounds

MANY = 10**6


@pytest.mark.parametrize(
    ("shape", "channels", "images"),
    [
        ((8, 9), 1, 1), ((8, 9, 1), 1, 1), ((8, 9, 3), 3, 1), ((3, 8, 9), 3, 1), ((5, 8, 9), 5, 1),
        ((7, 8, 9), 1, 7), ((7, 8, 9, 3), 3, 7), ((7, 3, 8, 9), 3, 7), ((7, 8, 9, 5), 5, 7),
        ((7, 8, 9), 3, 7), ((8, 9, 4), 3, 1), ((8, 9, 3), 1, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".npy", ".zarr"])
def test_every_layout(tmp_path, shape, channels, images, suffix):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        zarr = pytest.importorskip("zarr")
        zarr.create_array(path, data=array, chunks=tuple(max(1, side // 2) for side in shape))
    found = read(path, channels, MANY)
    assert len(found) == images
    assert {one.shape[:2] for one in found} == {(8, 9)}
    channels_first = len(shape) > 2 and shape[-3] == channels > 1
    expected = np.moveaxis(array, -3, -1) if channels_first else array
    np.testing.assert_array_equal(np.stack(found).ravel(), expected.ravel())


def test_shapes_of_no_images_are_refused():
    for shape in ((5,), (0, 3, 3), (2, 2, 2, 2, 2), (7, 8, 9, 5)):
        with pytest.raises(ValueError, match="an array of shape"):
            image_axes(shape, 3)


def test_floats_and_ranges(tmp_path):
    values = noise(1, "f4")
    np.save(tmp_path / "a.npy", values)
    (found,) = read_images(tmp_path / "a.npy", 1)
    np.testing.assert_array_equal(found, np.rint(values * 65535))
    np.save(tmp_path / "ct.npy", (values * 4095 - 1024).astype(np.int16))
    (found,) = read_images(tmp_path / "ct.npy", 1, Bounds(-1024, 3071))
    np.testing.assert_allclose(found / 65535, values, atol=1.1 / 4095)
    with pytest.raises(ImageError, match=r"ct\.npy .*outside \[0, 1\]: declare the range"):
        read_images(tmp_path / "ct.npy", 1)


class Boom:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a file was run')",)


def test_pickles_and_damage_are_refused(tmp_path):
    np.save(tmp_path / "object.npy", np.array([Boom()], object))
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Boom()))
    np.save(tmp_path / "whole.npy", noise(3))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:150])
    for name in ("object", "pickle", "cut"):
        with pytest.raises(ImageError, match=rf"{name}\.npy cannot be read \(no whole \.npy file"):
            read_images(tmp_path / f"{name}.npy", 3)
    np.save(tmp_path / "complex.npy", np.zeros((8, 8), complex))
    with pytest.raises(ImageError, match="an array of complex128"):
        read_images(tmp_path / "complex.npy", 1)
    with pytest.raises(TooLargeError, match="154 pixels, more than 4"):
        read(tmp_path / "whole.npy", 3, 4)


@pytest.mark.parametrize("key", ["filters", "compressor"])
def test_codecs_that_may_run_code_are_refused(tmp_path, key):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(tmp_path / "a.zarr", data=noise(3), zarr_format=2)
    path = tmp_path / "a.zarr/.zarray"
    metadata = json.loads(path.read_text())
    codec = {"id": "pickle", "protocol": 5}
    path.write_text(json.dumps(metadata | {key: [codec] if key == "filters" else codec}))
    with pytest.raises(ImageError, match="the codec pickle, which is not known"):
        read_images(tmp_path / "a.zarr", 3)


def test_the_largest_scale_of_an_ome_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(tmp_path / "a.zarr")
    pixels = noise(1, "u2")[..., 0]
    group.create_array("0", data=pixels)
    group.create_array("1", data=pixels[::2, ::2])
    with pytest.raises(ImageError, match="a Zarr group without an image"):
        read_images(tmp_path / "a.zarr", 1)
    group.attrs["multiscales"] = [{"datasets": [{"path": "0"}, {"path": "1"}]}]
    (found,) = read_images(tmp_path / "a.zarr", 1)
    np.testing.assert_array_equal(found[..., 0], pixels)
