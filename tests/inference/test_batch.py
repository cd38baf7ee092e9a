"""Inputs and outputs of many pictures in pairs, and pictures of several pages."""

import numpy as np
import pytest

from denoise.image_io.find_images import find_images
from denoise.image_io.photo import Photo
from denoise.image_io.value_range import Bounds, from_fraction, to_fraction
from denoise.inference.batch import SMOOTHED, find_pictures, pair_paths, restore_photo
from denoise.inference.restorer import Report


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/b/c.TIF", "in/b/notes.txt", "in/out/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(batch):
    return [(str(source), str(target)) for source, target in batch.pairs]


def test_one_picture(folder):
    assert names(pair_paths("in/a.png", folder / "x.png", overwrite=False)) == [
        ("in/a.png", str(folder / "x.png"))
    ]
    assert pair_paths("in/a.png", folder / "in/b", overwrite=False).pairs[0][1].name == "a.png"
    assert pair_paths("none.png", folder / "x.png", overwrite=False).pairs


def test_a_folder_keeps_paths_and_leaves_out_outputs_and_what_is_done(folder):
    target = folder / "in/out"
    found = pair_paths("in", target, overwrite=False)
    assert names(found) == [
        ("in/a.png", str(target / "a.png")), ("in/b/c.TIF", str(target / "b/c.TIF")),
    ]  # fmt: skip
    (target / "a.png").touch()
    left = pair_paths("in", target, overwrite=False)
    assert left.pairs == found.pairs[1:]
    assert left.done == [target / "a.png"]
    assert pair_paths("in", target, overwrite=True) == found


def test_a_folder_is_listed_as_for_training(folder):
    for name in ("in/.thumbnails/e.png", "in/._a.png", "in/10.png", "in/9.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    root, found, _ = find_pictures("in")
    assert [str(path) for path in found] == [
        "in/9.png", "in/10.png", "in/a.png", "in/b/c.TIF", "in/out/d.jpg",
    ]  # fmt: skip
    assert found == list(find_images(root, "").values())


def test_a_pattern_is_searched_from_its_first_wildcard(folder):
    root, found, unreadable = find_pictures("in/*/*.*")
    assert str(root) == "in"
    assert sorted(path.name for path in found) == ["c.TIF", "d.jpg"]
    assert not unreadable


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("in", "in", "is the input folder: choose another folder"),
        ("in", "x.png", "is one picture, but input=in may be several"),
        ("*.gif", "out", r"input=\*\.gif holds no "),
    ],
)
def test_what_does_not_suit_is_refused(folder, source, target, message):
    with pytest.raises(ValueError, match=message):
        pair_paths(source, folder / target, overwrite=False)


@pytest.mark.parametrize("sigma", [None, 7.0])
def test_every_page_is_restored_and_its_noise_estimated_where_asked(sigma):
    given, advanced = [], []

    def restorer(page, level, advance, bounds):
        given.append(level)
        advance(page.shape[0] * page.shape[1])
        report = Report("whole", page.size, 1, 8, 0, 0.0, 1.0, 0.0, ["mind this"])
        return page + 1, report

    restorer.channels, restorer.net = 1, None
    noise = np.random.default_rng(0).normal(100, 10, (2, 300, 300, 1))
    pages = list(noise.round().astype(np.uint8))
    photo = Photo(pages, [None, None])
    clean, lines = restore_photo(photo, restorer, sigma, takes_sigma=True, advance=advanced.append)
    assert all(np.array_equal(a, b + 1) for a, b in zip(clean.pages, pages, strict=True))
    assert advanced == [90_000, 90_000]
    assert lines.count("mind this") == 1
    if sigma is None:
        assert given == pytest.approx([10, 10], rel=0.1)
        assert lines[0].startswith("noise estimated at sigma ")
    else:
        assert given == [7.0, 7.0]
    restore_photo(photo, restorer, None, takes_sigma=False)
    assert given[-2:] == [None, None]


@pytest.mark.parametrize(("lossy", "sigma"), [(True, None), (True, 5), (False, None)])
def test_the_estimate_on_a_jpeg_comes_with_a_warning(lossy, sigma):
    def restorer(pixels, level, advance, bounds):
        return pixels, Report("whole", 1, 1, 1, 0, 0, 0, 0, [])

    restorer.channels, restorer.net = 3, None
    photo = Photo([np.zeros((20, 20, 3), np.uint8)], [None], lossy=lossy)
    _, lines = restore_photo(photo, restorer, sigma, takes_sigma=True)
    assert (SMOOTHED in lines) == (lossy and sigma is None)
    _, lines = restore_photo(photo, restorer, sigma, takes_sigma=True, advise=False)
    assert SMOOTHED not in lines


class Halved:
    """Restores by halving what a net would see, and keeps its shape."""

    def __init__(self, channels):
        self.channels, self.net, self.seen = channels, None, []

    def __call__(self, pixels, level, advance, bounds):
        unit = to_fraction(pixels, bounds)
        self.seen.append(unit.shape[2])
        report = Report("whole", 1, 1, 1, 0, 0, 0, 0, [])
        return from_fraction(unit / 2, bounds, pixels.dtype), report


def test_channels_are_one_image_where_the_net_has_as_many():
    channels = list(np.random.default_rng(0).integers(0, 200, (5, 6, 7, 1), dtype=np.uint8))
    stack = Photo(channels, [None] * 5, pages_are_channels=True)
    together = Halved(5)
    clean, _ = restore_photo(stack, together, None, takes_sigma=False)
    assert together.seen == [5]
    np.testing.assert_array_equal(clean.pages, np.rint(np.stack(channels) / 2))
    alone = Halved(3)
    _, lines = restore_photo(stack, alone, None, takes_sigma=False)
    assert alone.seen == [1] * 5
    assert "5 channels are restored one by one" in lines


def test_values_of_a_range_come_back_and_unused_bits_are_told():
    page = np.random.default_rng(0).integers(0, 4096, (40, 40, 1), dtype=np.uint16)
    photo = Photo([page], [None])
    clean, _ = restore_photo(
        photo, Halved(1), None, takes_sigma=False, value_range=Bounds(100, 4095)
    )
    np.testing.assert_allclose(clean.pages[0], (page.astype(float) - 100) / 2 + 100, atol=0.51)
    _, lines = restore_photo(photo, Halved(1), None, takes_sigma=False)
    assert any("range=[0,4095]" in line for line in lines)
