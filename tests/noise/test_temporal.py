"""Temporal noise of synthetic sensors: without texture, flicker and rows."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from synthetic_sensor import QUANTISATION, SCENE, SENSORS, average, expose

from denoise.noise.calibration import fit_line, tiles_of_scene
from denoise.noise.temporal import clipped_below, correlation, is_white, temporal_noise


@pytest.mark.parametrize("number", [2, 5])
def test_the_variance_is_without_bias(number):
    frames = [f + 0.5 for f in expose(1e-6, 1e-4, number, scene=np.zeros((256, 256)))]
    found = temporal_noise(frames)
    assert found.variance.mean() == pytest.approx(1e-4, rel=0.02)
    assert found.noise.shape == (number, 256, 256)
    assert found.row == 0
    np.testing.assert_allclose(found.signal, np.mean(frames, 0))


@pytest.mark.parametrize(("shot", "read"), SENSORS)
@pytest.mark.parametrize("lamp", [(1, 1.01), (1, 0.9), (1, 1.01, 0.98, 1)])
def test_flicker_is_no_noise(shot, read, lamp):
    fit = fit_line(tiles_of_scene(temporal_noise(expose(shot, read, len(lamp), lamp=lamp))))
    assert fit.shot == pytest.approx(shot, rel=0.02)
    width = fit.read_interval[1] - fit.read_interval[0]
    assert fit.read == pytest.approx(read + QUANTISATION, rel=0.05, abs=width)


@pytest.mark.parametrize(("shot", "read"), SENSORS)
@pytest.mark.parametrize("number", [2, 4])
def test_rows_are_told_from_pixels(shot, read, number):
    row = np.sqrt(read)
    found = temporal_noise(expose(shot, read, number, row=row, moves=True))
    assert found.row == pytest.approx(row, rel=0.15)
    assert is_white(correlation(found))
    assert fit_line(tiles_of_scene(found)).shot == pytest.approx(shot, rel=0.02)


def test_chance_is_no_row_noise():
    rows = [temporal_noise(expose(1e-3, 1e-5, seed=seed)).row for seed in range(20)]
    assert rows == [0] * 20


def test_rows_take_nothing_from_the_pixels():
    """Of narrow frames the means of rows hold much of the noise."""
    frames = expose(1e-3, 1e-5, row=0.02, scene=np.full((2000, 16), 0.3))
    variance = temporal_noise(frames).variance.mean()
    assert variance == pytest.approx(3e-4 + 1e-5 + QUANTISATION, rel=0.03)


@pytest.mark.parametrize(("shot", "read"), SENSORS)
def test_a_reference_stands_for_the_mean_of_many_frames(shot, read):
    found = temporal_noise(expose(shot, read)[:1], average())
    fit = fit_line(tiles_of_scene(found))
    assert fit.shot == pytest.approx(shot, rel=0.02)
    width = fit.read_interval[1] - fit.read_interval[0]
    assert fit.read == pytest.approx(read + QUANTISATION, rel=0.05, abs=width)


def test_white_noise_is_told_from_developed():
    frames = expose(1e-3, 1e-5)
    found = correlation(temporal_noise(frames))
    assert found[0, 0] == 1
    assert is_white(found)
    smoothed = correlation(temporal_noise([gaussian_filter(frame, 0.6) for frame in frames]))
    assert not is_white(smoothed)
    assert smoothed[0, 1] > 0.2
    # A filter's correlation is that of its kernel with itself.
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 0.6) ** 2)
    expected = (kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()
    assert smoothed[1, 0] == pytest.approx(expected, abs=0.05)


def test_what_moves_and_what_is_clipped_is_not_correlated_noise():
    assert is_white(correlation(temporal_noise(expose(1e-4, 1e-6, moves=True))))
    clipped = SCENE.copy()
    clipped[:, :300] = 2
    assert is_white(correlation(temporal_noise(expose(1e-3, 1e-5, scene=clipped))))
    nothing = correlation(temporal_noise([np.ones((64, 64))] * 2))
    np.testing.assert_array_equal(nothing, 0)


def test_a_floor_is_where_many_pixels_are_alike():
    values = np.random.default_rng(0).normal(0, 1, (100, 100))
    assert clipped_below(values) == float("-inf")
    assert clipped_below(np.maximum(values, -1)) == -1


def test_frames_are_two_of_one_size():
    for frames in ([np.zeros((16, 16))], [np.zeros((16, 16)), np.zeros((16, 24))]):
        with pytest.raises(ValueError, match="two of one size are needed"):
            temporal_noise(frames)
    with pytest.raises(ValueError, match="two of one size are needed"):
        temporal_noise([np.zeros((16, 16))], np.zeros((8, 8)))
    small = temporal_noise([np.zeros((5, 7)), np.ones((5, 7))])  # less than a tile
    assert correlation(small).shape == (5, 5)
