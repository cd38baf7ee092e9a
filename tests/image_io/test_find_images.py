from pathlib import Path

import pytest
from pictures import save_noise

from denoise.image_io.find_images import find_images, list_images, match_images, read_list


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
        ValueError, match=r"no image in folder .*\.zarr files; .*denoise fetch-data set"
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


def test_lists_of_images(tmp_path):
    for name in ("b.png", "sub/a.png"):
        save_noise(tmp_path / name)
    (tmp_path / "list.txt").write_text("# two\nsub/a.png\n\nb.png\n")
    assert find_images(tmp_path / "list.txt", "") == {
        "sub/a": tmp_path / "sub/a.png",
        "b": tmp_path / "b.png",
    }
    for text, message in (
        ("", "names no images"),
        ("b.png\nb.png", "line 2: b.png comes twice"),
    ):
        (tmp_path / "list.txt").write_text(text)
        with pytest.raises(ValueError, match=message):
            find_images(tmp_path / "list.txt", "")
    (tmp_path / "pairs.csv").write_text("a,b,c")
    with pytest.raises(ValueError, match="line 1: 3 paths, where 2 are needed, such as noisy"):
        read_list(tmp_path / "pairs.csv", 2)
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        find_images(tmp_path / "list.txt", "")


def test_patterns_name_images_by_what_their_asterisks_stand_for(tmp_path):
    for name in ("0001_NOISY_010.PNG", "s/0002_NOISY_010.PNG", "0001_GT_010.PNG"):
        save_noise(tmp_path / name)
    found = match_images(f"{tmp_path}/*_NOISY_*")
    assert {key: path.name for key, path in found.items()} == {
        "0001_010": "0001_NOISY_010.PNG",
        "s/0002_010": "0002_NOISY_010.PNG",
    }
    assert list(match_images(f"{tmp_path}/*_GT_*.PNG")) == ["0001_010"]
    with pytest.raises(ValueError, match="no image matches"):
        match_images(f"{tmp_path}/*_CLEAN_*")
    save_noise(tmp_path / "0001_NOISY_010.jpg.png")
    save_noise(tmp_path / "0003_NOISY_1.png")
    save_noise(tmp_path / "0003_NOISY_1.PNG")
    with pytest.raises(ValueError, match="by the same text"):
        match_images(f"{tmp_path}/*_NOISY_*")


def test_arrays_belong_to_sets_alone(tmp_path):
    save_noise(tmp_path / "a.png")
    save_noise(tmp_path / "store.zarr/0.png")
    (tmp_path / "b.npy").touch()
    assert list(find_images(tmp_path, "")) == ["a", "b", "store"]
    assert list_images(tmp_path) == [Path("a.png")]
