"""Calibration against synthetic sensors of known parameters."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.data import camera

from denoise.noise.calibration import (
    Tiles,
    correlation,
    fit_line,
    is_white,
    row_deviation,
    stabilise,
    tiles_of_frames,
    tiles_of_image,
)

SCENE = (gaussian_filter(camera() / 255.0, 1) ** 2.2) * 1.1  # some of it is clipped
SENSORS = [(1e-3, 1e-6), (1e-2, 1e-5), (2e-4, 2e-5)]


def expose(shot, read, number=2, *, seed=0, scene=SCENE, row=0.0, moves=False):
    """Frames with fixed pattern noise, 12 bits, black at 0.05 of the range, clipped at white."""
    rng = np.random.default_rng(seed)
    pattern = 1 + 0.02 * rng.standard_normal(scene.shape)
    frames = []
    for count in range(number):
        still = scene * pattern
        if moves:
            still[40:120, 40:120] = np.roll(still[40:120, 40:120], 9 * count, 1)
        values = rng.poisson(still / shot) * shot + np.sqrt(read) * rng.standard_normal(scene.shape)
        values += row * rng.standard_normal((len(scene), 1))
        levels = np.round(np.clip((values + 0.05) * 4095, 0, 1.05 * 4095))
        frames.append(levels / 4095 - 0.05)
    return frames


QUANTISATION = 1 / 4095**2 / 12


@pytest.mark.parametrize(("shot", "read"), SENSORS)
@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("moves", [False, True])
def test_frames_tell_gain_and_read_noise(shot, read, number, moves):
    fit = fit_line(tiles_of_frames(expose(shot, read, number, moves=moves)))
    assert fit.shot == pytest.approx(shot, rel=0.02)
    # Of read noise as small as the shot noise of a hundredth of white, the interval is wide.
    width = fit.read_interval[1] - fit.read_interval[0]
    assert fit.read == pytest.approx(read + QUANTISATION, rel=0.05, abs=width)
    assert fit.shot_interval[0] < fit.shot < fit.shot_interval[1]


def test_darks_tell_read_noise_within_five_percent():
    for shot, read in SENSORS:
        lit = tiles_of_frames(expose(shot, read))
        dark = tiles_of_frames(expose(shot, read, scene=np.zeros((256, 256)), number=4))
        fit = fit_line(Tiles(*map(np.concatenate, zip(lit, dark, strict=True))))
        assert fit.shot == pytest.approx(shot, rel=0.02)
        assert fit.read == pytest.approx(read + QUANTISATION, rel=0.05)


def test_intervals_hold_the_true_gain():
    inside = [
        low <= 1e-3 <= high
        for seed in range(40)
        for low, high in [
            fit_line(tiles_of_frames(expose(1e-3, 1e-5, seed=seed, scene=SCENE[:192, :192])))[2]
        ]
    ]
    assert np.mean(inside) >= 0.85


@pytest.mark.parametrize(("shot", "read"), [(1e-2, 1e-4), (3e-3, 1e-5)])
def test_one_image_tells_roughly(shot, read):
    fit = fit_line(tiles_of_image(expose(shot, read)[0]))
    assert fit.shot == pytest.approx(shot, rel=0.2)


def test_rows_are_told_from_pixels():
    assert row_deviation(expose(1e-3, 1e-5, row=4e-3)) == pytest.approx(4e-3, rel=0.1)
    assert [row_deviation(expose(1e-3, 1e-5, seed=seed)) for seed in range(20)] == [0] * 20


def test_white_noise_is_told_from_developed():
    frames = expose(1e-3, 1e-5)
    assert is_white(correlation(frames))
    assert correlation(frames)[0, 0] == pytest.approx(1)
    smoothed = correlation([gaussian_filter(frame, 0.6) for frame in frames])
    assert not is_white(smoothed)
    assert smoothed[0, 1] > 0.2


@pytest.mark.parametrize(("shot", "read"), SENSORS)
def test_stabilised_variance_is_one(shot, read):
    frames = expose(shot, read + 1e-12, number=8)
    stable = np.stack([stabilise(frame, shot, read + QUANTISATION) for frame in frames])
    lit = (max(0.02, 30 * shot) < SCENE) & (SCENE < 0.9)
    assert stable.var(0, ddof=1)[lit].mean() == pytest.approx(1, abs=0.03)


def test_a_negative_offset_is_zero():
    signal = np.linspace(0.1, 0.9, 200)
    fit = fit_line(Tiles(signal, 1e-3 * signal - 5e-6, *np.ones((2, 200))))
    assert fit.read == 0
    assert fit.shot == pytest.approx(1e-3, rel=0.05)


def test_what_is_no_sensor_is_refused():
    with pytest.raises(ValueError, match="two of one size are needed"):
        tiles_of_frames([np.zeros((16, 16))])
    with pytest.raises(ValueError, match="two of one size are needed"):
        tiles_of_frames([np.zeros((16, 16)), np.zeros((16, 24))])
    with pytest.raises(ValueError, match="no part of the frames is unclipped"):
        fit_line(tiles_of_frames([np.ones((64, 64)), np.ones((64, 64))]))
    signal = np.linspace(0.1, 0.9, 200)
    with pytest.raises(ValueError, match="does not grow with the signal"):
        fit_line(Tiles(signal, 1e-3 - 1e-3 * signal, *np.ones((2, 200))))
