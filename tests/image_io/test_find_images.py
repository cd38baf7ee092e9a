from pathlib import Path

import pytest

from denoise.image_io.find_images import find_images


def test_images_are_found_recursively_in_natural_order(image_folder):
    for name in (".hidden/no.png", "._img2.png", "notes.txt", "img3"):
        (image_folder / name).parent.mkdir(exist_ok=True)
        (image_folder / name).touch()
    (image_folder / "folder.png").mkdir()
    (image_folder / "IMG1.JPeG").touch()
    found = find_images(image_folder, "set")
    assert list(found) == ["deep/img1", "IMG1", "img2", "img10"]
    names = ["deep/img1.png", "IMG1.JPeG", "img2.PNG", "img10.png"]
    assert list(found.values()) == [image_folder / name for name in names]


def test_suffixes_stay_where_names_would_coincide(tmp_path):
    for name in ("a.jpg", "a.png", "b.png"):
        (tmp_path / name).touch()
    assert list(find_images(tmp_path, "set")) == ["a.jpg", "a.png", "b.png"]


def test_missing_and_empty_folders_name_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"no folder .*/gone: .*data_dir=.*denoise fetch-data set12"
    ):
        find_images(Path("~/gone"), "set12")
    with pytest.raises(
        ValueError, match=r"no image in folder .*\.webp files; .*denoise fetch-data set"
    ):
        find_images(Path("~"), "set12")
    with pytest.raises(ValueError, match=r"no folder .*data_dir=\.\.\.$"):
        find_images(Path("~/gone"), "")
    with pytest.raises(ValueError, match=r"files$"):
        find_images(Path("~"), "")


def test_linked_folders_are_searched_once_and_loops_end(image_folder, tmp_path):
    (image_folder / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked.png").touch()
    (tmp_path / "elsewhere" / "back").symlink_to(image_folder)
    (image_folder / "same").symlink_to(tmp_path / "elsewhere")
    found = find_images(image_folder, "set")
    assert [name for name in found if "linked" in name] == ["more/linked"]
    assert len(found) == 4
