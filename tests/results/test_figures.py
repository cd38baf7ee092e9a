"""Strips, windows of largest and smallest error, and the error map."""

import errno

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import camera, chelsea

from denoise.evaluation.protocols import Kair
from denoise.results.figures import (
    COLORMAP,
    FRAME_COLORS,
    MAX_ERROR,
    BestAndWorst,
    ComparisonStrips,
    comparison_strip,
    error_map,
    example,
    to_pil,
)

KEY = {"set": "s", "sigma": 25, "image": "a"}
SCORES = {"psnr": 30.0, "ssim": 0.9}


def image(channels=3, height=40, width=50):
    pixels = (camera()[..., None] if channels == 1 else chelsea())[:height, :width]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_shows_noisy_restored_and_clean(channels):
    noisy, restored, clean = 0.2 * image(channels), 0.6 * image(channels), image(channels)
    strip = comparison_strip(noisy, restored, clean, Kair().score)
    assert (strip.dtype, strip.shape[1:]) == (np.uint8, (3 * 50 + 8, 3))
    assert strip.shape[0] > 40
    for column, panel in enumerate((noisy, restored, clean)):
        left = 54 * column
        expected = (panel[0].permute(1, 2, 0) * 255).round().expand(-1, -1, 3)
        np.testing.assert_array_equal(strip[:40, left : left + 50], expected)
        assert (strip[40:, left : left + 50] < 128).any()  # the caption
    assert (strip[:40, 50:54] == 255).all()


@pytest.mark.parametrize(("channels", "seen"), [(2, [0, 0, 0]), (4, [0, 1, 2]), (5, [0, 1, 2])])
def test_of_further_channels_the_first_are_seen_and_said(channels, seen):
    clean = torch.rand(1, channels, 40, 200)
    strip = comparison_strip(0.2 * clean, 0.6 * clean, clean, Kair().score)
    expected = (clean[0, seen].permute(1, 2, 0) * 255).round()
    np.testing.assert_array_equal(strip[:40, 408:608], expected)
    told = comparison_strip(*[clean[:, :1]] * 3, Kair().score)
    ink = (strip[40:, 408:608] < 128).sum(), (told[40:, 408:608] < 128).sum()
    assert ink[0] > 1.5 * ink[1]  # the caption says which channels


@pytest.mark.parametrize("width", [64, 256, 480])
def test_captions_are_readable_where_tensorboard_shrinks_the_strip(width):
    clean = torch.ones(1, 3, 32, width)
    caption = comparison_strip(0.5 * clean, 0.5 * clean, clean, Kair().score)[32:]
    ink = (caption[:, :width] < 128).any(-1)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    shrunk = min(1.0, 350 / caption.shape[1])
    assert (rows[-1] - rows[0]) * shrunk >= 2 * 7  # two lines of 7 px at least
    assert columns[0] > 0
    assert columns[-1] < width - 1  # nothing is cut off


def test_pixels_are_clamped_and_rounded():
    levels = torch.tensor([[[-0.5, 0.0, 0.25, 1.0, 1.5]]])
    assert np.asarray(to_pil(levels))[0, :, 0].tolist() == [0, 0, 64, 255, 255]


@pytest.mark.parametrize(("sigma", "level"), [(25, "sigma25"), (7.5, "sigma7.5"), (None, "real")])
def test_strips_have_a_folder_for_each_set_and_level(tmp_path, sigma, level):
    observer = ComparisonStrips(tmp_path, Kair().score)
    parts = image(), image() * 0.9, image()
    observer(KEY | {"sigma": sigma}, *parts, SCORES)
    with Image.open(tmp_path / "s" / level / "a.png") as picture:
        expected = comparison_strip(*parts, Kair().score)
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_a_full_disk_takes_pictures_but_no_scores(tmp_path, monkeypatch, caplog):
    def fail(self, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    observer = ComparisonStrips(tmp_path, Kair().score)
    for _ in range(2):
        observer(KEY, image(), image(), image(), SCORES)
    (record,) = caplog.records
    assert "a.png cannot be written (No space left on device)" in record.getMessage()


def test_windows_are_where_the_error_is():
    clean = torch.full((1, 3, 200, 260), 60 / 255)
    restored = clean.clone()
    restored[..., 16:80, 120:184] = 1 - 60 / 255
    one = example(KEY, clean, restored, clean, SCORES)
    crop = one.crops["largest"]
    assert (crop.top, crop.left, round(crop.error)) == (16, 120, 135)
    assert one.crops["smallest"].error == 0
    assert list(crop.panels) == ["noisy", "restored", "clean", "error"]
    assert {panel.size for panel in crop.panels.values()} == {(64, 64)}
    assert (np.asarray(crop.panels["restored"]) == 195).all()
    assert (np.asarray(crop.panels["clean"]) == 60).all()
    assert (np.asarray(crop.panels["error"]) == COLORMAP[-1]).all()
    overview = np.asarray(one.overview)
    assert overview.shape == (200, 260, 3)
    assert tuple(overview[crop.top - 3, crop.left + 20]) == FRAME_COLORS["largest"]


def test_a_window_is_no_larger_than_the_image():
    one = example(KEY, image(), image(), image(height=40, width=50), SCORES)
    assert {panel.size for panel in one.crops["largest"].panels.values()} == {(50, 40)}


def test_a_large_overview_is_reduced():
    large = torch.zeros(1, 1, 600, 960)
    assert example(KEY, large, large, large, SCORES).overview.size == (480, 300)


def observed(psnrs, count):
    observer = BestAndWorst(count)
    for number, psnr in enumerate(psnrs):
        key = KEY | {"image": str(number)}
        observer(key, image(), image(), image(), {"psnr": psnr, "ssim": 0.9})
    return [one.key["image"] for one in observer.examples["s", 25]]


def test_the_worst_and_the_best_are_kept_in_order_of_psnr():
    psnrs = [30.0, 25.0, 28.0, 33.0, 27.0, 31.0]
    assert observed(psnrs, 1) == ["1", "3"]
    assert observed(psnrs, 2) == ["1", "4", "5", "3"]
    assert observed(psnrs, 3) == ["1", "4", "2", "0", "5", "3"]
    assert observed(psnrs[:3], 2) == ["1", "2", "0"]


def test_nan_is_the_worst():
    assert observed([30.0, float("nan"), 28.0, 33.0], 1) == ["1", "3"]


def test_the_error_map_runs_from_zero_to_the_largest_error_shown():
    error = torch.tensor([[0.0, MAX_ERROR / 2, MAX_ERROR, 255.0]]) / 255
    expected = [COLORMAP[0], COLORMAP[2], COLORMAP[4], COLORMAP[4]]
    assert [tuple(color) for color in np.asarray(error_map(error))[0]] == expected
