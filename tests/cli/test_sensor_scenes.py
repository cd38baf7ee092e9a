"""Scenes by folder, ISO and reference; black from dark frames."""

import numpy as np
import pytest
import tifffile

from denoise.cli.sensor_scenes import black_of_darks, find_scenes, load


def save(path, value=100, noise=0.0, shape=(16, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = value + noise * np.random.default_rng(0).standard_normal(shape)
    tifffile.imwrite(path, np.clip(np.round(values), 0, 65535).astype(np.uint16))
    return path


def test_scenes_are_the_frames_of_an_iso_in_a_folder(tmp_path):
    names = ["ISO100/desk/1.tif", "ISO100/desk/2.tif", "ISO100/dark/1.tif", "ISO100/dark/2.tif",
             "b/x_iso-400_1.tif", "b/x_iso-400_2.tif", "b/x_ISO800_1.tif", "b/x_ISO800_2.tif",
             "c/1.tif", "c/2.tif"]  # fmt: skip
    files = [save(tmp_path / "photos" / name) for name in names]
    scenes = find_scenes(str(tmp_path / "photos"), None)
    assert sorted((scene.iso, len(scene.files), scene.is_dark) for scene in scenes) == [
        (0, 2, False), (100, 2, False), (100, 2, True), (400, 2, False), (800, 2, False),
    ]  # fmt: skip
    assert sorted(file for scene in scenes for file in scene.files) == sorted(files)
    (one,) = find_scenes(str(tmp_path / "photos/ISO100/desk/1.tif"), None)
    assert one.files == [files[0]]


def test_each_file_is_a_scene_with_its_reference(tmp_path):
    for name in ("iso100/1.tif", "iso200/2.tif"):
        save(tmp_path / "noisy" / name, 60)
        save(tmp_path / "clean" / name, 50)
    scenes = find_scenes(str(tmp_path / "noisy"), str(tmp_path / "clean"))
    assert [scene.iso for scene in scenes] == [100, 200]
    (planes,) = load(scenes[0], None, 10, 110).planes()
    frames, clean = planes
    assert np.unique(frames) == 0.5
    assert np.unique(clean) == 0.4
    (tmp_path / "clean/iso200/2.tif").unlink()
    with pytest.raises(ValueError, match=r"clean has no iso200/2\.tif"):
        find_scenes(str(tmp_path / "noisy"), str(tmp_path / "clean"))


@pytest.mark.parametrize("black", [100, 5])  # at 5 many values are clipped at 0
def test_black_is_that_of_the_dark_frames(tmp_path, black):
    for name in ("dark/1.tif", "dark/2.tif", "desk/1.tif", "desk/2.tif"):
        save(tmp_path / name, black if "dark" in name else 900, 6.0, (200, 200))
    scenes = find_scenes(str(tmp_path), None)
    assert black_of_darks(scenes, None) == pytest.approx(black, abs=0.2)
    assert black_of_darks([s for s in scenes if not s.is_dark], None) is None


def test_a_mosaic_has_four_planes(tmp_path):
    scenes = find_scenes(str(save(tmp_path / "1.tif")), None)
    planes = list(load(scenes[0], "RGGB", None, None).planes())
    assert [frames[0].shape for frames, _ in planes] == [(8, 12)] * 4
    np.testing.assert_allclose(planes[0][0][0], 100 / 65535)


def test_black_lies_below_white_and_channels_agree(tmp_path):
    (scene,) = find_scenes(str(save(tmp_path / "1.tif")), None)
    with pytest.raises(ValueError, match="black=9 and white=9: black lies below white"):
        list(load(scene, None, 9, 9).planes())
    two = tmp_path / "two"
    save(two / "1.tif", shape=(16, 24, 3))
    save(two / "2.tif")
    (scene,) = find_scenes(str(two), None)
    with pytest.raises(ValueError, match="differ in their channels"):
        list(load(scene, None, None, None).planes())
