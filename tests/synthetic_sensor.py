"""Frames of a sensor whose noise is known."""

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.data import camera

SCENE = (gaussian_filter(camera() / 255.0, 1) ** 2.2) * 1.1  # some of it is clipped
SENSORS = [(1e-3, 1e-6), (1e-2, 1e-5), (2e-4, 2e-5)]  # shot and read noise
QUANTISATION = 1 / 4095**2 / 12


def expose(shot, read, number=2, *, seed=0, scene=SCENE, row=0.0, moves=False, lamp=()):
    """Frames with fixed pattern noise, 12 bits, black at 0.05 of the range, clipped at white.

    `lamp` is the brightness of each frame over that of the first.
    """
    rng = np.random.default_rng(seed)
    pattern = 1 + 0.02 * rng.standard_normal(scene.shape)
    frames = []
    for count in range(number):
        still = scene * pattern * (lamp[count] if lamp else 1)
        if moves:
            still[40:120, 40:120] = np.roll(still[40:120, 40:120], 9 * count, 1)
        values = rng.poisson(still / shot) * shot + np.sqrt(read) * rng.standard_normal(scene.shape)
        values += row * rng.standard_normal((len(scene), 1))
        levels = np.round(np.clip((values + 0.05) * 4095, 0, 1.05 * 4095))
        frames.append(levels / 4095 - 0.05)
    return frames


def average(*, seed=0, scene=SCENE):
    """The scene with the fixed pattern of `expose`, without noise."""
    pattern = 1 + 0.02 * np.random.default_rng(seed).standard_normal(scene.shape)
    return np.minimum(scene * pattern, 1)
