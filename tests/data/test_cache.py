import os

import numpy as np
import pytest
from pictures import assert_equal_images, save_noise

from denoise.data import cache
from denoise.data.sets import Folder
from denoise.image_io.read import read_images


@pytest.fixture
def reads(monkeypatch):
    """The names of the files decoded so far."""
    names = []

    def counting(path, channels, value_range="auto"):
        names.append(path.name)
        return read_images(path, channels)

    monkeypatch.setattr(cache, "read_images", counting)
    return names


@pytest.mark.parametrize("limit", [1e-6, 1e-3], ids=["none", "one"])  # images within it
def test_cache_equals_memory_and_is_reused(image_folder, tmp_path, reads, limit):
    (image_folder / "bad.png").write_bytes(b"nothing")
    options = {"path": str(image_folder), "channels": 3, "on_error": "skip"}
    inside = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=1)
    assert not (tmp_path / "cache").exists()
    reads.clear()
    mapped = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=limit)
    assert reads == ["bad.png", "img1.png", "img2.PNG", "img10.png"]
    again = Folder(**options, cache_dir=str(tmp_path / "cache"), memory_limit=limit)
    assert len(reads) == 4
    for images in (mapped, again):
        assert_equal_images(images.clean, inside.clean)
        assert images.names == inside.names
        assert images.skipped == inside.skipped == [str(image_folder / "bad.png")]
        assert not any(image.flags.writeable for image in images.clean)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_cache_notices_changed_files_and_other_channels(image_folder, tmp_path, reads):
    options = {"path": str(image_folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}
    Folder(**options, channels=3)
    assert Folder(**options, channels=1).clean[0].shape[2] == 1
    pixels = save_noise(image_folder / "img2.PNG")
    os.utime(image_folder / "img2.PNG", ns=(1, 1))
    assert np.array_equal(Folder(**options, channels=3).clean[1], pixels)
    assert len(reads) == 9


def test_an_interrupted_run_leaves_no_cache(image_folder, tmp_path, monkeypatch):
    def interrupted(path, channels, value_range="auto"):
        if path.name == "img10.png":
            raise KeyboardInterrupt
        return read_images(path, channels)

    options = {"path": str(image_folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}
    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_images", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Folder(**options, channels=3)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(Folder(**options, channels=3)) == 3


def test_of_two_runs_at_once_the_first_one_stays(image_folder, tmp_path, monkeypatch):
    options = {"path": str(image_folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}

    def overtaken(path, channels, value_range="auto"):
        if path.name == "img10.png":
            monkeypatch.setattr(cache, "read_images", read_images)
            Folder(**options, channels=3)
        return read_images(path, channels)

    monkeypatch.setattr(cache, "read_images", overtaken)
    slow = Folder(**options, channels=3)
    assert_equal_images(slow.clean, Folder(path=str(image_folder), channels=3).clean)
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "contents"),
    [("pixels.bin", b""), ("pixels.bin", None), ("index.json", b""), ("index.json", b"[]"),
     ("index.json", b'{"size": 0, "images": []}'), ("index.json", None)],
)  # fmt: skip
def test_a_damaged_cache_is_built_again(image_folder, tmp_path, reads, name, contents):
    options = {"path": str(image_folder), "cache_dir": str(tmp_path / "cache"), "memory_limit": 0}
    whole = Folder(**options, channels=3).clean
    path = next((tmp_path / "cache").iterdir()) / name
    pixels = [image.copy() for image in whole]
    del whole
    if contents is None:
        path.unlink()
    else:
        path.write_bytes(contents)
    assert_equal_images(Folder(**options, channels=3).clean, pixels)
    assert len(reads) == 6
    Folder(**options, channels=3)
    assert len(reads) == 6


def test_what_a_killed_run_left_is_removed(image_folder, tmp_path):
    folder = tmp_path / "cache"
    abandoned, busy = folder / ".aa.bb", folder / ".cc.dd"
    for path in (abandoned, busy):
        path.mkdir(parents=True)
        (path / "pixels.bin").write_bytes(bytes(9))
    for path in (abandoned / "pixels.bin", abandoned, busy):  # busy: its file is being written
        os.utime(path, (1, 1))
    Folder(path=str(image_folder), channels=3, cache_dir=str(folder), memory_limit=0)
    assert not abandoned.exists()
    assert busy.exists()


def test_a_cache_that_cannot_be_written_names_the_remedy(image_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"memory_limit=0 and cannot be cached in .*file/cache"):
        Folder(
            path=str(image_folder),
            channels=3,
            cache_dir=str(tmp_path / "file/cache"),
            memory_limit=0,
        )


def test_progress_only_on_a_terminal(tmp_path, capfd):
    for number in range(20):
        save_noise(tmp_path / f"{number}.png")
    Folder(path=str(tmp_path), channels=3)
    assert capfd.readouterr() == ("", "")
