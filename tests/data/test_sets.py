import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pictures import assert_equal_images, noise, save_noise, write_png
from PIL import Image

from denoise.data.sets import Folder, Pairs, Photographs
from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_image

CONFIGS = Path(__file__).parents[2] / "configs"


def test_folder_is_recursive_and_sorted_naturally(image_folder):
    save_noise(image_folder / ".hidden" / "no.png")
    (image_folder / "._img2.png").write_bytes(b"a Mac's leftover")
    (image_folder / "notes.txt").write_text("no image")
    images = Folder(path=str(image_folder), channels=3)
    assert images.names == ["deep/img1", "img2", "img10"]
    assert [file.name for file in images.files] == ["img1.png", "img2.PNG", "img10.png"]
    assert_equal_images(images.clean, [read_image(file, 3) for file in images.files])
    assert (images.noisy, images.skipped, images.channels, len(images)) == (None, [], 3, 3)


def test_names_keep_their_suffix_where_needed(image_folder):
    save_noise(image_folder / "img2.webp.png")
    Image.fromarray(save_noise(image_folder / "img2.jpg")).save(image_folder / "img2.jpg")
    names = Folder(path=str(image_folder), channels=3).names
    assert len(set(names)) == 5
    assert "img2.jpg" in names


def test_folder_takes_a_list_and_the_home_sign(image_folder, tmp_path, monkeypatch):
    shutil.copytree(image_folder, tmp_path / "other" / "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    images = Folder(path=["~/set", "~/other/set"], channels=1)
    assert images.names[::3] == ["0_set/deep/img1", "1_set/deep/img1"]
    assert len(images) == 6
    assert all(image.shape[2] == 1 for image in images.clean)


def test_missing_and_empty_folders_name_the_remedy(tmp_path):
    with pytest.raises(
        ValueError, match=r"no folder .*kodak24.*data_dir=.*denoise fetch-data kodak24"
    ):
        Folder(path=str(tmp_path / "kodak24"), channels=3)
    (tmp_path / "kodak24").mkdir()
    with pytest.raises(
        ValueError, match=r"no image in folder .*kodak24.*denoise fetch-data kodak24"
    ):
        Folder(path=str(tmp_path / "kodak24"), channels=3)
    with pytest.raises(ValueError, match=r"no folder .*polyu/noisy.*denoise fetch-data polyu"):
        Pairs(noisy=str(tmp_path / "polyu/noisy"), clean=str(tmp_path / "polyu/clean"), channels=3)


def test_bad_files_raise_or_are_skipped_and_counted(image_folder, caplog):
    (image_folder / "bad.png").write_bytes(b"nothing")
    five = noise(5, "u1")
    tifffile.imwrite(
        image_folder / "five.tif", five, photometric="minisblack", planarconfig="contig"
    )
    with pytest.raises(ImageError, match=r"bad\.png cannot be read.*on_error=skip"):
        Folder(path=str(image_folder), channels=3)
    with caplog.at_level(logging.WARNING, "denoise"):
        images = Folder(path=str(image_folder), channels=3, on_error="skip")
    assert images.names == ["deep/img1", "img2", "img10"]
    assert images.skipped == [
        str(image_folder / "bad.png"),
        str(image_folder / "five.tif"),
    ]
    told = [record.getMessage() for record in caplog.records]
    for line, path in zip(told, images.skipped, strict=True):
        assert line.startswith(f"skipped: {path} ")


def test_a_set_of_only_bad_files_is_refused(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    for limit in (100, 0):
        with pytest.raises(
            ValueError, match=r"none of 1 images can be used, the first: .*bad\.png"
        ):
            Folder(
                path=str(tmp_path),
                channels=3,
                on_error="skip",
                cache_dir=str(tmp_path / "cache"),
                memory_limit=limit,
            )
    with pytest.raises(ValueError, match="on_error=ignore is unknown: choose one of raise, skip"):
        Folder(path=str(tmp_path), channels=3, on_error="ignore")


def test_pairs_are_matched_by_name(tmp_path):
    clean = [save_noise(tmp_path / "clean" / name) for name in ("a/1.png", "2.png")]
    noisy = [save_noise(tmp_path / "noisy" / name) for name in ("a/1.png", "2.png")]
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
        assert_equal_images([pairs.clean[i] for i in order], clean)
        assert_equal_images([pairs.noisy[i] for i in order], noisy)


def test_pairs_that_do_not_fit(tmp_path):
    for name, shape in (("1.png", (8, 8, 3)), ("2.png", (8, 9, 3)), ("3.png", (8, 8, 3))):
        save_noise(tmp_path / "noisy" / name, (8, 8, 3))
        save_noise(tmp_path / "clean" / name, shape)
    options = {"noisy": str(tmp_path / "noisy"), "clean": str(tmp_path / "clean"), "channels": 3}
    with pytest.raises(ImageError, match=r"noisy/2\.png has 8x8 .* partner 8x9.*on_error=skip"):
        Pairs(**options)
    (tmp_path / "noisy" / "3.png").write_bytes(b"nothing")
    pairs = Pairs(**options, on_error="skip")
    assert (pairs.names, len(pairs.clean), len(pairs.noisy), len(pairs.skipped)) == (["1"], 1, 1, 2)
    save_noise(tmp_path / "noisy" / "4.png")
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
    with pytest.raises(ValueError, match="split=trian is unknown: choose one of train, val, test"):
        Photographs(split="trian", channels=3)


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_config_is_one_named_set(path, image_folder):
    free = {"data_dir": "/data", "channels": 3, "memory_limit": 1, "on_error": "raise"}
    free["range"] = "auto"
    config = OmegaConf.merge(free, OmegaConf.load(path))
    (name,) = config.keys() - free.keys()
    assert name == ("photographs" if path.stem.startswith("photographs") else path.stem)
    entry, target = config[name], config[name]["_target_"].rpartition(".")[2]
    if target == "PackedBayer":
        images = instantiate(entry, path=[str(image_folder)], channels=4)
    elif target == "Folder":
        assert name == "folder" or entry.path == f"/data/{name}"
        images = instantiate(entry, path=[str(image_folder)])
    elif target == "Pairs":
        assert name == "pairs" or (entry.noisy, entry.clean) == (
            f"/data/{name}/noisy",
            f"/data/{name}/clean",
        )
        noisy = image_folder.with_name("noisy")
        for file in (path for path in image_folder.rglob("*") if path.is_file()):
            pixels = read_image(file, 3)
            (noisy / file.relative_to(image_folder)).parent.mkdir(parents=True, exist_ok=True)
            write_png(noisy / file.relative_to(image_folder), pixels[::-1].copy())
        images = instantiate(entry, noisy=str(noisy), clean=str(image_folder))
    else:
        assert entry.split == path.stem.partition("_")[2] or path.stem == "photographs"
        images = instantiate(entry)
    assert images.channels == (4 if name == "bayer" else 3)
    assert len(images) >= 1


def test_several_sets_compose_by_name(image_folder):
    free = [f"+data_dir={image_folder.parent}", "+channels=3", "+memory_limit=1", "+on_error=skip"]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose(
            overrides=[*free, "+data@train=[bsd400,div2k]", "+data@val=photographs_val"],
        )
    assert list(config.train) == ["bsd400", "div2k"]
    assert config.train.div2k.path == f"{image_folder.parent}/div2k"
    assert list(config.val) == ["photographs"]


def test_images_too_small_are_named_or_skipped(tmp_path, caplog):
    save_noise(tmp_path / "tiny.png", (8, 20, 3))
    save_noise(tmp_path / "x.png", (20, 20, 3))
    images = Folder(path=str(tmp_path), channels=3)
    with pytest.raises(ImageError, match=r"tiny\.png has 8x20 pixels, less than the crop of 11"):
        images.require_size(11, "the crop", "raise")
    with caplog.at_level(logging.WARNING, "denoise"):
        images.require_size(11, "the crop", "skip")
    assert images.names == ["x"]
    assert "tiny.png has 8x20" in caplog.text
    with pytest.raises(ImageError, match="no image is as large as the crop of 21 pixels"):
        images.require_size(21, "the crop", "skip")


def test_pages_are_images_of_a_set(tmp_path):
    pages = np.stack([noise(1, "u1")[..., 0]] * 2 + [255 - noise(1, "u1")[..., 0]])
    for folder, stored in {"noisy": 255 - pages, "clean": pages}.items():
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", stored, photometric="minisblack")
    for limit in (1, 0):
        images = Pairs(
            noisy=str(tmp_path / "noisy"), clean=str(tmp_path / "clean"), channels=1,
            cache_dir=str(tmp_path / ".cache"), memory_limit=limit,
        )  # fmt: skip
        assert images.names == ["a_page1", "a_page2", "a_page3"]
        np.testing.assert_array_equal(np.stack(images.clean)[..., 0], pages)
        np.testing.assert_array_equal(np.stack(images.noisy)[..., 0], 255 - pages)
    tifffile.imwrite(tmp_path / "noisy" / "a.tif", pages[:2], photometric="minisblack")
    with pytest.raises(ImageError, match="has 2 images but its partner 3"):
        Pairs(noisy=str(tmp_path / "noisy"), clean=str(tmp_path / "clean"), channels=1)


def test_pairs_of_one_folder_or_of_the_same_images_are_refused(tmp_path):
    save_noise(tmp_path / "clean" / "a.png", (16, 16, 3))
    shutil.copytree(tmp_path / "clean", tmp_path / "noisy")
    (tmp_path / "link").symlink_to(tmp_path / "clean")
    for noisy in ("clean", "link"):
        with pytest.raises(ValueError, match="is given as noisy and as clean: give two folders"):
            Pairs(noisy=str(tmp_path / noisy), clean=str(tmp_path / "clean"), channels=3)
    with pytest.raises(ValueError, match="are the same: give noisy ones"):
        Pairs(noisy=str(tmp_path / "noisy"), clean=str(tmp_path / "clean"), channels=3)


def test_weights_are_shares_of_folders(tmp_path):
    for name, count in (("a", 1), ("b", 3)):
        for number in range(count):
            save_noise(tmp_path / name / f"{number}.png")
    paths = [str(tmp_path / name) for name in "ab"]
    images = Folder(path=paths, channels=3, weights=[3, 1])
    assert images.weights == [3, 1 / 3, 1 / 3, 1 / 3]
    for weights, message in (([1], "1 weights for 2 folders"), ([1, 0], "must be positive")):
        with pytest.raises(ValueError, match=message):
            Folder(path=paths, channels=3, weights=weights)


def test_values_of_a_set_lie_in_its_range(tmp_path):
    values = (noise(1, "f4")[..., 0] * 4095 - 1024).astype(np.float32)
    tifffile.imwrite(tmp_path / "ct.tif", values)
    images = Folder(path=str(tmp_path), channels=1, range=[-1024, 3071])
    np.testing.assert_allclose(images.clean[0][..., 0] / 65535, (values + 1024) / 4095, atol=1e-5)
    with pytest.raises(ValueError, match="outside"):
        Folder(path=str(tmp_path), channels=1)
