"""Files with bytes changed, cut, doubled or moved: each is read or refused in one short line."""

import io
import random
import time
import warnings

import numpy as np
import pytest
import tifffile
import torch
from pictures import exif_of
from PIL import Image
from runs import plain, save
from skimage import data

from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_images, read_photo
from denoise.training.resume import find_checkpoint
from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError

IMAGES, CHECKPOINTS, SEED = 1000, 300, 0
SECONDS = 20  # that one file may take at most, on a machine with other work


def mutate(content, generator):
    """Change a file in one to three of the ways in which files are damaged or forged."""
    content = bytearray(content)
    for _ in range(generator.randint(1, 3)):
        start, length = generator.randrange(len(content)), generator.randint(1, 64)
        way = generator.randrange(7)
        if way == 0:  # one bit
            content[start] ^= 1 << generator.randrange(8)
        elif way == 1:  # noise
            content[start : start + length] = generator.randbytes(length)
        elif way == 2:  # cut off
            del content[max(1, start) :]
        elif way == 3:  # a part lost
            del content[start : start + length]
            content = content or bytearray(b"\0")
        elif way == 4:  # a part twice
            content[start:start] = content[start : start + length * 8]
        elif way == 5:  # a length or an offset that is absurd
            word = generator.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)])
            content[start : start + 4] = word
        else:  # near the header, where the lengths are
            start = generator.randrange(min(64, len(content)))
            content[start] = generator.randrange(256)
    return bytes(content)


def pictures():
    """The same photograph in every format and depth that is read."""
    cat = data.chelsea()[:48, :56]
    grey, deep = cat[..., 1], cat.astype(np.uint16) * 257
    files = {}
    for name, array, options in [
        ("png", cat, {}), ("png", grey, {"exif": exif_of(6)}), ("jpg", cat, {"exif": exif_of(6)}),
        ("jpg", cat, {"progressive": True}), ("webp", cat, {}), ("webp", cat, {"lossless": True}),
        ("bmp", cat, {}), ("tif", cat, {"compression": "tiff_lzw"}), ("png", deep[..., 1], {}),
    ]:  # fmt: skip
        buffer = io.BytesIO()
        formats = {"jpg": "JPEG", "tif": "TIFF"}
        Image.fromarray(array).save(buffer, formats.get(name, name.upper()), **options)
        files[f"{len(files)}.{name}"] = buffer.getvalue()
    for options in (
        {"data": deep, "photometric": "rgb", "compression": "zlib"},
        {"data": np.stack([grey] * 4), "photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"data": np.stack([grey] * 3), "ome": True, "metadata": {"axes": "CYX"}},
        {"data": cat.astype(np.float32) / 255, "photometric": "rgb", "bigtiff": True},
        {"data": grey, "photometric": "minisblack", "byteorder": ">", "tile": (16, 16)},
    ):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, **options)
        files[f"{len(files)}.tif"] = buffer.getvalue()
    return files


def attempt(read, path, error_type):
    """Return what a reader returns, or the line with which it refuses the file."""
    begun = time.perf_counter()
    result = line = None
    with warnings.catch_warnings(action="error"):
        try:
            result = read(path)
        except error_type as error:
            line = str(error)
    assert time.perf_counter() - begun < SECONDS, path
    if line is not None:
        assert "\n" not in line
        assert str(path) in line
        assert len(line) < 500
    return result, line


@pytest.mark.slow
def test_a_thousand_images(tmp_path):
    """Read by both readers, none hangs, warns or raises anything but a line."""
    generator, files = random.Random(SEED), list(pictures().items())
    refused = 0
    for number in range(IMAGES):
        name, content = files[number % len(files)]
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutate(content, generator))
        photo, line = attempt(lambda path: read_photo(path, memory=2**30), path, ImageError)
        refused += line is not None
        assert photo is None or all(page.size and page.ndim == 3 for page in photo.pages)
        channels = 1 if number % 2 else 3
        images, _ = attempt(lambda path, c=channels: read_images(path, c), path, ImageError)
        assert images is None or all(image.shape[2] == channels for image in images)
    assert 150 < refused < IMAGES - 150


@pytest.mark.slow
def test_three_hundred_checkpoints(tmp_path):
    """None loads other weights, and none, in a folder of runs, is in another run's way."""
    generator = random.Random(SEED)
    net = save(tmp_path / "whole.ckpt", plain("attention=swin"))
    whole, weights = (tmp_path / "whole.ckpt").read_bytes(), net.state_dict()
    refused = 0
    for number in range(CHECKPOINTS):
        path = tmp_path / "outputs" / f"{number}" / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True)
        path.write_bytes(mutate(whole, generator))
        loaded, line = attempt(load_model, path, CheckpointError)
        refused += line is not None
        if loaded is not None:
            state = loaded[0].state_dict()
            assert all(torch.equal(state[name], weights[name]) for name in weights)
    assert 200 < refused < CHECKPOINTS
    resolved = plain("attention=swin") | {"run_dir": str(tmp_path / "outputs" / "new")}
    assert find_checkpoint("auto", resolved, None) is None
