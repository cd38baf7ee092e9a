"""Calibration against synthetic sensors of known parameters."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.data import brick, chelsea, coins
from synthetic_sensor import QUANTISATION, SCENE, SENSORS, expose

from denoise.noise.calibration import (
    Tiles,
    departure,
    fit_line,
    stabilise,
    tiles_of_image,
    tiles_of_scene,
)
from denoise.noise.temporal import temporal_noise


def tiles_of_frames(frames, *, dark=False):
    return tiles_of_scene(temporal_noise(frames), dark=dark)


def with_darks(shot, read, *, row=0.0):
    lit = tiles_of_frames(expose(shot, read, row=row))
    frames = expose(shot, read, 4, row=row, scene=np.zeros((256, 256)), seed=9)
    return Tiles(*map(np.concatenate, zip(lit, tiles_of_frames(frames, dark=True), strict=True)))


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


@pytest.mark.parametrize(("shot", "read"), SENSORS)
def test_darks_tell_read_noise_within_five_percent(shot, read):
    fit = fit_line(with_darks(shot, read))
    assert fit.shot == pytest.approx(shot, rel=0.02)
    assert fit.read == pytest.approx(read + QUANTISATION, rel=0.05)


@pytest.mark.parametrize(("shot", "read"), SENSORS)
@pytest.mark.parametrize("times", [1, 3])
def test_row_noise_moves_neither_gain_nor_read_noise(shot, read, times):
    fit = fit_line(with_darks(shot, read, row=times * np.sqrt(read)))
    assert fit.shot == pytest.approx(shot, rel=0.02 if times == 1 else 0.04)
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


SCENES = {"camera": SCENE} | {
    name: gaussian_filter((image / 255.0) ** 2.2, 1)
    for name, image in (("coins", coins()), ("chelsea", chelsea()[..., 1]), ("brick", brick()))
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("shot", "read"), [(1e-2, 1e-4), (3e-3, 1e-5), (1e-3, 1e-6)])
def test_one_image_tells_the_gain_within_a_third(scene, shot, read):
    """Of a picture from a lens, which blurs; of less noise fixed pattern and texture are more."""
    fit = fit_line(tiles_of_image(expose(shot, read, scene=SCENES[scene])[0]))
    assert fit.shot == pytest.approx(shot, rel=1 / 3)


def test_departure_tells_a_curve_from_a_line():
    for shot, read in SENSORS:
        tiles = tiles_of_frames(expose(shot, read, moves=True))
        assert 1 <= departure(tiles, fit_line(tiles)) < 1.1
    signal = np.linspace(0.05, 0.9, 4000)
    bend = 1e-4 + 1e-3 * np.exp(-(((signal - 0.7) / 0.15) ** 2))
    curve = Tiles(signal, bend, np.ones(4000), np.full(4000, 128), np.zeros(4000))
    assert departure(curve, fit_line(curve)) > 1.3


def test_what_moved_is_counted():
    still = fit_line(tiles_of_frames(expose(2e-4, 2e-6)))
    scene, moved = SCENE.copy(), SCENE.copy()
    moved[:, :100] = np.roll(scene, 5, 0)[:, :100]
    frames = [expose(2e-4, 2e-6, 1, scene=one, seed=2)[0] for one in (scene, moved)]
    assert still.moved < 0.01
    assert 0.02 < fit_line(tiles_of_frames(frames)).moved < 0.3


@pytest.mark.parametrize(("shot", "read"), SENSORS)
def test_stabilised_variance_is_one(shot, read):
    frames = expose(shot, read + 1e-12, number=8)
    stable = np.stack([stabilise(frame, shot, read + QUANTISATION) for frame in frames])
    lit = (max(0.02, 30 * shot) < SCENE) & (SCENE < 0.9)
    assert stable.var(0, ddof=1)[lit].mean() == pytest.approx(1, abs=0.03)


def test_a_negative_offset_is_zero():
    signal = np.linspace(0.1, 0.9, 200)
    fit = fit_line(Tiles(signal, 1e-3 * signal - 5e-6, *np.ones((2, 200)), np.zeros(200)))
    assert fit.read == 0
    assert fit.shot == pytest.approx(1e-3, rel=0.05)


def test_what_is_no_sensor_is_refused():
    with pytest.raises(ValueError, match="no part of the frames is unclipped"):
        fit_line(tiles_of_frames([np.ones((64, 64)), np.ones((64, 64))]))
    signal = np.linspace(0.1, 0.9, 200)
    with pytest.raises(ValueError, match="does not grow with the signal"):
        fit_line(Tiles(signal, 1e-3 - 1e-3 * signal, *np.ones((2, 200)), np.zeros(200)))
