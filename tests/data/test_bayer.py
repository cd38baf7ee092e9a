"""Packed raw values made of photographs."""

import json
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from runs import QUICK
from skimage.data import chelsea

from denoise.data.bayer import PackedBayer
from denoise.noise.camera import demosaic, draw_development


@pytest.fixture
def folder(tmp_path):
    for name, side in (("one", 61), ("two", 40)):
        Image.fromarray(chelsea()[:side, :50]).save(tmp_path / f"{name}.png")
    return tmp_path


def test_values_lead_back_to_the_photograph(folder):
    images = PackedBayer(path=str(folder), channels=4)
    assert [image.shape for image in images.clean] == [(30, 25, 4), (20, 25, 4)]
    assert {image.dtype for image in images.clean} == {np.dtype(np.uint16)}
    generator = torch.Generator().manual_seed(zlib.crc32(b"two"))
    camera = draw_development(torch.zeros(1, 3, 1, 1), generator)
    packed = torch.from_numpy(images.clean[1].astype(np.float32))[None] / 65535
    raw = torch.nn.functional.pixel_shuffle(packed.permute(0, 3, 1, 2), 2)
    photo = camera.process(demosaic(raw))[0].permute(1, 2, 0).numpy()
    difference = np.abs(photo - chelsea()[:40, :50] / 255)
    assert np.median(difference) < 0.02  # what demosaicing blurs


def test_a_file_is_of_one_camera_always_and_each_of_its_own(folder):
    first, again = (PackedBayer(path=str(folder), channels=4) for _ in range(2))
    assert all(map(np.array_equal, first.clean, again.clean))
    assert not np.array_equal(first.clean[0][:20], first.clean[1])


def test_three_channels_are_refused(folder):
    with pytest.raises(ValueError, match="channels=4"):
        PackedBayer(path=str(folder), channels=3)


def test_from_photographs_to_a_restored_mosaic(command, photos, tmp_path):
    words = [word for word in QUICK if "folder" not in word]
    words += [f"data@{part}=bayer" for part in ("train", "val", "test")]
    words += [f"{part}.bayer.path=photos" for part in ("train", "val", "test")]
    command("train", *words, "channels=4", "shuffle_channels=false", "noise=camera",
            "noise.domain=bayer", "backbone.sigma_map=signal", "patch=16", "trainer.max_steps=2",
            "trainer.val_check_interval=2", "hydra.run.dir=run")  # fmt: skip
    record = json.loads((tmp_path / "run" / "results.json").read_text())
    assert record["protocol"] == "seeded"
    packed = np.random.default_rng(0).integers(0, 4096, (20, 30, 4), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "raw.tif", packed)
    command("restore", "checkpoint=run/checkpoints/best.ckpt", "input=raw.tif", "output=clean.tif")
    assert tifffile.imread(tmp_path / "clean.tif").shape == packed.shape
