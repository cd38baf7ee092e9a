"""A split by names: each image in one part, and there it stays."""

import json

import numpy as np
import pytest
from pictures import save_noise

from denoise.data.sets import Folder, Pairs
from denoise.data.split import SPLITS, take


@pytest.mark.parametrize("count", [3, 4, 5, 10, 57, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "b", "IMG_"])
def test_each_image_is_in_one_part(count, prefix):
    found = {f"{prefix}{n}": n for n in range(count)}
    parts = {split: take(found, split) for split in SPLITS}
    assert sorted(n for part in parts.values() for n in part.values()) == list(range(count))
    assert all(parts.values())
    assert all(list(part) == [name for name in found if name in part] for part in parts.values())
    assert take(found, None) == found
    if count == 1000:
        assert len(parts["val"]) == pytest.approx(100, abs=35)
        assert len(parts["test"]) == pytest.approx(100, abs=35)


def test_images_stay_where_they_are_when_others_come():
    found = {f"photo{n}": n for n in range(200)}
    more = found | {f"later{n}": 1000 + n for n in range(300)}
    for split in SPLITS:
        before, after = take(found, split), take(more, split)
        assert set(before) <= set(after)


def test_what_cannot_be_split_is_told():
    with pytest.raises(ValueError, match="split=val of 2 images: three are needed"):
        take({"a": 1, "b": 2}, "val")
    with pytest.raises(ValueError, match="split=dev is unknown: choose one of train, val, test"):
        take({"a": 1, "b": 2, "c": 3}, "dev")


def test_folders_and_pairs_are_split_alike(tmp_path):
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
        for n in range(12):
            save_noise(tmp_path / folder / f"{n}.png", (16, 16, 3))
    for split in SPLITS:
        one = Folder(path=str(tmp_path / "clean"), channels=3, split=split)
        pairs = Pairs(
            noisy=str(tmp_path / "noisy"), clean=str(tmp_path / "clean"), channels=3, split=split
        )
        assert one.names == pairs.names
        assert all(np.array_equal(a, b) for a, b in zip(one.clean, pairs.clean, strict=True))
        assert not np.array_equal(pairs.clean[0], pairs.noisy[0])


def test_one_folder_trains_validates_and_tests(command, photos, tmp_path):
    """experiment=folder holds out images, each in one part."""
    for n in range(4):
        save_noise(photos / f"{n}.png", (40, 48, 3))
    command(
        "train", "experiment=folder", "train.folder.path=photos", "backbone.dim=8",
        "backbone.num_blocks=[1,1,1,1]", "patch=16", "batch=2", "val_crop=32",
        "trainer.max_time=null", "trainer.max_steps=1", "trainer.accelerator=cpu",
        "hydra.run.dir=run", "pictures=false",
    )  # fmt: skip
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    tested = {row["image"] for row in results["images"]}
    every = Folder(path=str(photos), channels=3).names
    assert tested == set(take(dict.fromkeys(every), "test"))
    assert 0 < len(tested) < len(every)
