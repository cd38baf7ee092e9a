import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pictures import write_png
from PIL import Image

from denoise.data import cache
from denoise.data.sets import Folder, Pairs, Photographs
from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_image

CONFIGS = Path(__file__).parents[2] / "configs"
RNG = np.random.default_rng(0)


def save(path, shape=(12, 10, 3), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    write_png(path, pixels)
    return pixels


def equal(ones, others):
    return len(ones) == len(others) and all(
        one.dtype == other.dtype and np.array_equal(one, other)
        for one, other in zip(ones, others, strict=True)
    )


@pytest.fixture
def folder(tmp_path):
    """Three images, of which one is 16-bit and one of odd size."""
    save(tmp_path / "set" / "img10.png", (7, 5, 3))
    save(tmp_path / "set" / "img2.PNG")
    save(tmp_path / "set" / "deep" / "img1.png", dtype=np.uint16)
    return tmp_path / "set"


def test_folder_is_recursive_and_sorted_naturally(folder):
    save(folder / ".hidden" / "no.png")
    (folder / "._img2.png").write_bytes(b"a Mac's leftover")
    (folder / "notes.txt").write_text("no image")
    images = Folder(path=str(folder), channels=3)
    assert images.names == ["deep/img1", "img2", "img10"]
    assert [file.name for file in images.files] == ["img1.png", "img2.PNG", "img10.png"]
    assert equal(images.clean, [read_image(file, 3) for file in images.files])
    assert (images.noisy, images.skipped, images.channels, len(images)) == (None, [], 3, 3)


def test_folder_takes_a_list_and_the_home_sign(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "other" / "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    images = Folder(path=["~/set", "~/other/set"], channels=1)
    assert images.names[::3] == ["0_set/deep/img1", "1_set/deep/img1"]
    assert len(images) == 6
    assert all(image.shape[2] == 1 for image in images.clean)


def test_names_keep_their_suffix_where_needed(folder):
    save(folder / "img2.webp.png")
    Image.fromarray(save(folder / "img2.jpg")).save(folder / "img2.jpg")
    names = Folder(path=str(folder), channels=3).names
    assert len(set(names)) == 5
    assert "img2.jpg" in names


def test_missing_and_empty_folders_name_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*kodak24.*data_dir=.*fetch_data.py kodak24"):
        Folder(path=str(tmp_path / "kodak24"), channels=3)
    (tmp_path / "kodak24").mkdir()
    with pytest.raises(ValueError, match=r"no image in folder .*kodak24.*fetch_data.py kodak24"):
        Folder(path=str(tmp_path / "kodak24"), channels=3)
    with pytest.raises(ValueError, match=r"no folder .*polyu/noisy.*fetch_data.py polyu"):
        Pairs(noisy=str(tmp_path / "polyu/noisy"), clean=str(tmp_path / "polyu/clean"), channels=3)


def test_bad_files_raise_or_are_skipped_and_counted(folder, caplog):
    (folder / "bad.png").write_bytes(b"nothing")
    save(folder / "grey.png", (9, 9, 1))
    with pytest.raises(ImageError, match=r"bad\.png cannot be read.*on_error=skip"):
        Folder(path=str(folder), channels=3)
    with caplog.at_level(logging.WARNING, "denoise"):
        images = Folder(path=str(folder), channels=3, on_error="skip")
    assert images.names == ["deep/img1", "img2", "img10"]
    assert images.skipped == [str(folder / "bad.png"), str(folder / "grey.png")]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"skipped 2 of 5 images, the first: {folder / 'bad.png'} cannot be read"
    )


def test_a_set_of_only_bad_files_is_refused(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    for limit in (100, 0):
        with pytest.raises(ValueError, match=r"skipped 1 of 1 images, the first: .*bad\.png"):
            Folder(
                path=str(tmp_path),
                channels=3,
                on_error="skip",
                cache_dir=str(tmp_path / "cache"),
                memory_limit=limit,
            )
    with pytest.raises(ValueError, match="on_error=ignore, but it is raise or skip"):
        Folder(path=str(tmp_path), channels=3, on_error="ignore")


@pytest.fixture
def reads(monkeypatch):
    """The names of the files decoded so far."""
    names = []

    def counting(path, channels):
        names.append(path.name)
        return read_image(path, channels)

    monkeypatch.setattr(cache, "read_image", counting)
    return names


def test_cache_equals_memory_and_is_reused(folder, tmp_path, reads):
    (folder / "bad.png").write_bytes(b"nothing")
    options = {"path": str(folder), "channels": 3, "on_error": "skip"}
    inside = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=1)
    assert not (tmp_path / "cache").exists()
    reads.clear()
    mapped = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=1e-6)
    assert reads == ["bad.png", "img1.png", "img2.PNG", "img10.png"]
    again = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=1e-6)
    assert len(reads) == 4
    for images in (mapped, again):
        assert equal(images.clean, inside.clean)
        assert images.names == inside.names
        assert images.skipped == inside.skipped == [str(folder / "bad.png")]
        assert not any(image.flags.writeable for image in images.clean)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_cache_notices_changed_files_and_other_channels(folder, tmp_path, reads):
    options = {"path": str(folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}
    Folder(**options, channels=3)
    assert Folder(**options, channels=1).clean[0].shape[2] == 1
    pixels = save(folder / "img2.PNG")
    os.utime(folder / "img2.PNG", ns=(1, 1))
    assert np.array_equal(Folder(**options, channels=3).clean[1], pixels)
    assert len(reads) == 9


def test_an_interrupted_run_leaves_no_cache(folder, tmp_path, monkeypatch):
    def interrupted(path, channels):
        if path.name == "img10.png":
            raise KeyboardInterrupt
        return read_image(path, channels)

    options = {"path": str(folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}
    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Folder(**options, channels=3)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(Folder(**options, channels=3)) == 3


def test_of_two_runs_at_once_the_first_one_stays(folder, tmp_path, monkeypatch):
    options = {"path": str(folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}

    def overtaken(path, channels):
        if path.name == "img10.png":
            monkeypatch.setattr(cache, "read_image", read_image)
            Folder(**options, channels=3)
        return read_image(path, channels)

    monkeypatch.setattr(cache, "read_image", overtaken)
    slow = Folder(**options, channels=3)
    assert equal(slow.clean, Folder(path=str(folder), channels=3).clean)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cache_that_cannot_be_written_names_the_remedy(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"memory_limit=0 and cannot be cached in .*file/cache"):
        Folder(path=str(folder), channels=3, cache_dir=str(tmp_path / "file/cache"), memory_limit=0)


def test_progress_only_on_a_terminal(tmp_path, capfd):
    for number in range(20):
        save(tmp_path / f"{number}.png")
    Folder(path=str(tmp_path), channels=3)
    assert capfd.readouterr() == ("", "")


def test_pairs_are_matched_by_name(tmp_path):
    clean = [save(tmp_path / "clean" / name) for name in ("a/1.png", "2.png")]
    noisy = [save(tmp_path / "noisy" / name) for name in ("a/1.png", "2.png")]
    Image.fromarray(noisy[1]).save(tmp_path / "noisy" / "2.bmp")
    (tmp_path / "noisy" / "2.png").unlink()
    for limit in (1, 0):
        pairs = Pairs(
            noisy=str(tmp_path / "noisy"),
            clean=str(tmp_path / "clean"),
            channels=3,
            cache_dir=str(tmp_path / "cache"),
            memory_limit=limit,
        )
        order = [pairs.names.index(name) for name in ("a/1", "2")]
        assert equal([pairs.clean[i] for i in order], clean)
        assert equal([pairs.noisy[i] for i in order], noisy)


def test_pairs_that_do_not_fit(tmp_path):
    for name, shape in (("1.png", (8, 8, 3)), ("2.png", (8, 9, 3)), ("3.png", (8, 8, 3))):
        save(tmp_path / "noisy" / name, (8, 8, 3))
        save(tmp_path / "clean" / name, shape)
    options = {"noisy": str(tmp_path / "noisy"), "clean": str(tmp_path / "clean"), "channels": 3}
    with pytest.raises(ImageError, match=r"noisy/2\.png has 8x8 .* partner 8x9.*on_error=skip"):
        Pairs(**options)
    (tmp_path / "noisy" / "3.png").write_bytes(b"nothing")
    pairs = Pairs(**options, on_error="skip")
    assert (pairs.names, len(pairs.clean), len(pairs.noisy), len(pairs.skipped)) == (["1"], 1, 1, 2)
    save(tmp_path / "noisy" / "4.png")
    (tmp_path / "clean" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"2 images are only in one of .*: 1, 4; pairs need"):
        Pairs(**options)


def test_photographs_are_disjoint():
    colour = {
        split: Photographs(split=split, channels=3).names for split in ("train", "val", "test")
    }
    grey = {split: Photographs(split=split, channels=1).names for split in colour}
    assert colour["test"] == ["chelsea", "coffee"]
    assert grey["test"] == ["chelsea", "coffee", "camera"]
    assert colour["val"] == grey["val"] == ["rocket"]
    assert grey["train"] == colour["train"]
    brick = Photographs(split="train", channels=3).clean[colour["train"].index("brick")]
    assert brick.shape == (512, 512, 3)
    assert (brick == brick[..., :1]).all()
    every = [name for names in grey.values() for name in names]
    assert len(every) == len(set(every)) == 15
    with pytest.raises(ValueError, match="split=trian, but photographs have train, val, test"):
        Photographs(split="trian", channels=3)


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_config_is_one_named_set(path, folder):
    free = {"data_dir": "/data", "channels": 3, "memory_limit": 1, "on_error": "raise"}
    config = OmegaConf.merge(free, OmegaConf.load(path))
    (name,) = config.keys() - free.keys()
    assert name == ("photographs" if path.stem.startswith("photographs") else path.stem)
    entry, target = config[name], config[name]["_target_"].rpartition(".")[2]
    if target == "Folder":
        assert name == "folder" or entry.path == f"/data/{name}"
        images = instantiate(entry, path=[str(folder)])
    elif target == "Pairs":
        assert name == "pairs" or (entry.noisy, entry.clean) == (
            f"/data/{name}/noisy",
            f"/data/{name}/clean",
        )
        images = instantiate(entry, noisy=str(folder), clean=str(folder))
    else:
        assert entry.split == path.stem.partition("_")[2] or path.stem == "photographs"
        images = instantiate(entry)
    assert images.channels == 3
    assert len(images) >= 1


def test_several_sets_compose_by_name(folder):
    free = [f"+data_dir={folder.parent}", "+channels=3", "+memory_limit=1", "+on_error=skip"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose(
            overrides=[*free, "+data@train=[bsd400,div2k]", "+data@val=photographs_val"],
        )
    assert list(config.train) == ["bsd400", "div2k"]
    assert config.train.div2k.path == f"{folder.parent}/div2k"
    assert list(config.val) == ["photographs"]
