"""The noise of a sensor, measured from frames of a scene that stands still, or from one image.

Values are linear: 0 is black, 1 is white. The variance of such a sensor is a line over the signal,
shot * signal + read (Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
single-image raw-data", IEEE TIP 17).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from denoise.noise.temporal import (
    GROUPS,
    NEAR_WHITE,
    OUTLIER,
    TILE,
    TO_SIGMA,
    TemporalNoise,
    clipped_below,
    tile_means,
    tiled,
)

MARGIN = 4.0  # standard deviations between the signal and where values are clipped
BIWEIGHT = 6.0  # deviations from which a tile counts for nothing: it holds motion
ITERATIONS = 20
RESAMPLES = 200
FLAT_SHARE = 0.2  # of the tiles of one image that are taken to hold no texture
MIN_TILES = 50


class Tiles(NamedTuple):
    """Means of tiles of 8 x 8 pixels, (N,) each.

    Args:
        signal: 0 to 1.
        variance: Of the noise.
        room: Distance of its darkest and its brightest pixel from where values are clipped.
        samples: Number of values.
        shared: Variance of the signal by noise of whole rows.
    """

    signal: np.ndarray
    variance: np.ndarray
    room: np.ndarray
    samples: np.ndarray
    shared: np.ndarray


class Fit(NamedTuple):
    """A line of variance over signal with its 95 % intervals.

    Args:
        shot: Slope.
        read: Offset.
        shot_interval: By resampling of tiles.
        read_interval: Likewise.
        tiles: Number of them.
        moved: Share of tiles off the line, which the fit leaves out.
    """

    shot: float
    read: float
    shot_interval: tuple[float, float]
    read_interval: tuple[float, float]
    tiles: int
    moved: float


def tiles_of_scene(scene: TemporalNoise, *, dark: bool = False) -> Tiles:
    """Measure tiles by the variance over time, which no texture and no fixed pattern enters.

    The averages over a tile lie on the same line as its pixels, whatever it shows.

    Args:
        scene: Noise of its frames.
        dark: Whether the lens was covered: then the signal is 0, whatever rows and shading add.
    """
    # By the mean, which the variance does not depend on: single values would choose quiet tiles.
    room = tiled(np.minimum(NEAR_WHITE - scene.signal, scene.signal - scene.lowest)).min((1, 3))
    samples = np.full(room.shape, TILE**2 * scene.frames)
    shared = np.full(room.shape, scene.row**2 / (TILE * scene.frames))
    signal = tile_means(scene.signal)
    if dark:
        signal, samples, shared = 0 * signal, np.full(room.shape, np.inf), 0 * shared
    columns = signal, tile_means(scene.variance), room, samples, shared
    return Tiles(*(column.ravel() for column in columns))


def tiles_of_image(image: np.ndarray) -> Tiles:
    """Measure the flattest tiles of one image by their diagonal details: approximate.

    Args:
        image: (H, W).
    """
    image = image.astype(np.float64)
    detail = (image[:-1, :-1] - image[1:, :-1] - image[:-1, 1:] + image[1:, 1:])[::2, ::2] / 2
    side = TILE // 2
    variance, signal = tile_means(detail**2, side), tile_means(image)
    rows, columns = (min(v, s) for v, s in zip(variance.shape, signal.shape, strict=True))
    usable = (signal[:rows, :columns] < NEAR_WHITE) & (variance[:rows, :columns] > 0)
    signal, variance = signal[:rows, :columns][usable], variance[:rows, :columns][usable]
    # The quantile of flat tiles, over what the quantile of pure noise would be.
    expected = chi2.ppf(FLAT_SHARE, side**2) / side**2
    order = np.argsort(signal)
    bins = np.array_split(order, max(1, min(64, len(order) // MIN_TILES)))
    measured = [(signal[b].mean(), np.quantile(variance[b], FLAT_SHARE) / expected) for b in bins]
    signal, variance = (np.array(column) for column in zip(*measured, strict=True))
    room = np.minimum(NEAR_WHITE - signal, signal - clipped_below(image))
    samples = np.full(len(signal), TILE**2 * MIN_TILES)
    return Tiles(signal, variance, room, samples, np.zeros(len(signal)))


def fit_line(tiles: Tiles, seed: int = 0) -> Fit:
    """Fit variance over signal, each tile by its own deviation, with intervals by resampling.

    A line that would be negative at zero begins there at zero.

    Args:
        tiles: From any number of scenes.
        seed: Of the resampling.

    Raises:
        ValueError: If there are too few tiles, or their variance does not grow with the signal.
    """
    unclipped = Tiles(*(column[tiles.room > 0] for column in tiles))
    if len(unclipped.signal) > 2:
        slope, offset, _ = _line(unclipped)
        deviation = np.sqrt(np.maximum(slope * tiles.signal + offset, 0))
        unclipped = Tiles(*(column[tiles.room > MARGIN * deviation] for column in tiles))
    tiles = unclipped
    if len(tiles.signal) < 3:
        raise ValueError("no part of the frames is unclipped and stands still: expose anew")
    shot, read, weight = _line(tiles)
    if not shot > 0:
        raise ValueError(
            f"the variance does not grow with the signal ({shot:.3g} a unit): the values are not "
            "linear, or all frames show one brightness"
        )
    rng = np.random.default_rng(seed)
    count = len(tiles.signal)
    draws = (rng.integers(count, size=count) for _ in range(RESAMPLES))
    lines = np.array([_solve(Tiles(*(c[d] for c in tiles)), weight[d], read) for d in draws])
    low, high = np.quantile(lines, (0.025, 0.975), axis=0).tolist()
    return Fit(shot, read, (low[0], high[0]), (low[1], high[1]), count, float((weight == 0).mean()))


def departure(tiles: Tiles, fit: Fit) -> float:
    """Return how many times the variance is off the line where it is farthest, 1 for a sensor.

    Args:
        tiles: That were fitted.
        fit: Of them.
    """
    expected = np.maximum(fit.shot * tiles.signal + fit.read, 1e-30)
    used = tiles.room > MARGIN * np.sqrt(expected)
    order = np.argsort(tiles.signal[used])
    parts = np.array_split(order, max(1, min(GROUPS // 2, len(order) // MIN_TILES)))
    # By medians, so that what moves does not count.
    ratios = [np.median((tiles.variance[used] / expected[used])[part]) for part in parts]
    return float(max(max(ratio, 1 / max(ratio, 1e-30)) for ratio in ratios))


def stabilise(signal: np.ndarray, shot: float, read: float) -> np.ndarray:
    """Return values whose noise has variance 1, by the generalised Anscombe transform.

    Makitalo and Foi 2013, "Optimal inversion of the generalized Anscombe transformation", IEEE TIP
    22.

    Args:
        signal: Any shape.
        shot: Variance a unit of signal.
        read: Variance at zero.
    """
    inside = shot * signal + 3 / 8 * shot**2 + read
    return 2 / shot * np.sqrt(np.maximum(inside, 0))


def _line(tiles: Tiles) -> tuple[float, float, np.ndarray]:
    """Return slope, offset and weights by least squares, robust against tiles that moved."""
    slope, offset = 0.0, max(float(np.median(tiles.variance)), 1e-30)
    floor = 1e-3 * offset
    order = np.argsort(tiles.signal)
    groups = np.array_split(order, min(GROUPS, len(order) // 3))
    spread, weight = np.empty_like(tiles.signal), np.ones_like(tiles.signal)
    for step in range(ITERATIONS):
        # Within its deviation a signal would weigh a tile the more, the lower noise moved it.
        signal = np.maximum(tiles.signal, 3 * np.sqrt(offset / tiles.samples + tiles.shared))
        expected = np.maximum(slope * signal + offset, floor)
        deviation = tiles.variance / expected - 1
        for group in groups:  # dark tiles of few photons spread further than bright ones
            part = deviation[group]
            spread[group] = TO_SIGMA * np.median(np.abs(part - np.median(part))) or 1.0
        # Smooth while it converges; then whole tiles, since variances spread further upwards.
        near = np.maximum(1 - (deviation / (BIWEIGHT * spread)) ** 2, 0) ** 2
        near = near if step < ITERATIONS - 3 else np.abs(deviation) < OUTLIER * spread
        weight = near / expected**2
        slope, offset = _solve(tiles, weight, offset)
    return slope, offset, weight


def _solve(tiles: Tiles, weight: np.ndarray, read: float) -> tuple[float, float]:
    """Return slope and offset by weighted least squares.

    The mean of a tile has the read noise of its values and the noise of its rows, which would
    flatten the line; what photons add to it moves a tile along the line.
    """
    signal, variance = tiles.signal, tiles.variance
    squares = float((weight * (signal**2 - read / tiles.samples - tiles.shared)).sum())
    first, total = float((weight * signal).sum()), float(weight.sum())
    products, sums = float((weight * signal * variance).sum()), float((weight * variance).sum())
    determinant = squares * total - first**2
    if determinant <= 1e-12 * squares * total:  # all tiles of one brightness
        return 0.0, sums / total
    slope = (products * total - first * sums) / determinant
    offset = (squares * sums - first * products) / determinant
    return (slope, offset) if offset >= 0 else (products / squares, 0.0)
