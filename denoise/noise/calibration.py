"""The noise of a sensor, measured from frames of a scene that stands still, or from one image.

Values are linear: 0 is black, 1 is white. The variance of such a sensor is a line over the signal,
shot * signal + read (Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
single-image raw-data", IEEE TIP 17).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

TILE = 8  # side in pixels
NEAR_WHITE = 0.98  # values above it may be clipped
AT_FLOOR = 1e-3  # share of pixels of the least value from which they are clipped there
MARGIN = 4.0  # standard deviations between the signal and where values are clipped
OUTLIER = 4.5
GROUPS = 16  # of tiles by their signal
BIWEIGHT = 6.0  # deviations from which a tile counts for nothing: it holds motion
ITERATIONS = 20
RESAMPLES = 200
FLAT_SHARE = 0.2  # of the tiles of one image that are taken to hold no texture
LAGS = 4  # pixels
WHITE_NOISE = 0.05  # correlation of neighbours up to which noise counts as white
MIN_TILES = 50


class Tiles(NamedTuple):
    """Means of tiles of 8 x 8 pixels, (N,) each.

    Args:
        signal: 0 to 1.
        variance: Of the noise.
        room: Distance of its darkest and its brightest pixel from where values are clipped.
        samples: Number of values.
    """

    signal: np.ndarray
    variance: np.ndarray
    room: np.ndarray
    samples: np.ndarray


class Fit(NamedTuple):
    """A line of variance over signal with its 95 % intervals, from tiles."""

    shot: float
    read: float
    shot_interval: tuple[float, float]
    read_interval: tuple[float, float]
    tiles: int


def tiles_of_frames(frames: Sequence[np.ndarray]) -> Tiles:
    """Measure tiles by the variance over time, which no texture and no fixed pattern enters.

    The averages over a tile lie on the same line as its pixels, whatever it shows.

    Args:
        frames: Two or more of one scene, (H, W) each.

    Raises:
        ValueError: If there are fewer than two, or they differ in size.
    """
    if len(frames) < 2 or len({frame.shape for frame in frames}) > 1:
        shapes = sorted({frame.shape for frame in frames})
        raise ValueError(f"{len(frames)} frames of shapes {shapes}: two of one size are needed")
    stack = np.stack(frames).astype(np.float64)
    mean, variance = stack.mean(0), stack.var(0, ddof=1)
    # By the mean, which the variance does not depend on: single values would choose quiet tiles.
    room = _tiled(np.minimum(NEAR_WHITE - mean, mean - _floor(stack)), TILE).min((1, 3))
    samples = np.full(room.shape, TILE**2 * len(frames))
    columns = _tile_means(mean), _tile_means(variance), room, samples
    return Tiles(*(column.ravel() for column in columns))


def tiles_of_image(image: np.ndarray) -> Tiles:
    """Measure the flattest tiles of one image by their diagonal details: approximate.

    Args:
        image: (H, W).
    """
    image = image.astype(np.float64)
    detail = (image[:-1, :-1] - image[1:, :-1] - image[:-1, 1:] + image[1:, 1:])[::2, ::2] / 2
    side = TILE // 2
    variance, signal = _tile_means(detail**2, side), _tile_means(image)
    rows, columns = (min(v, s) for v, s in zip(variance.shape, signal.shape, strict=True))
    usable = (signal[:rows, :columns] < NEAR_WHITE) & (variance[:rows, :columns] > 0)
    signal, variance = signal[:rows, :columns][usable], variance[:rows, :columns][usable]
    # The quantile of flat tiles, over what the quantile of pure noise would be.
    expected = chi2.ppf(FLAT_SHARE, side**2) / side**2
    order = np.argsort(signal)
    bins = np.array_split(order, max(1, min(64, len(order) // MIN_TILES)))
    measured = [(signal[b].mean(), np.quantile(variance[b], FLAT_SHARE) / expected) for b in bins]
    signal, variance = (np.array(column) for column in zip(*measured, strict=True))
    room = np.minimum(NEAR_WHITE - signal, signal - _floor(image))
    return Tiles(signal, variance, room, np.full(len(signal), TILE**2 * MIN_TILES))


def row_deviation(frames: Sequence[np.ndarray]) -> float:
    """Return the standard deviation of what all pixels of a row share; 0 where it may be chance.

    Args:
        frames: Two or more of one scene, (H, W) each.
    """
    first, second = (frame.astype(np.float64) for frame in frames[:2])
    difference = (second - first) / np.sqrt(2)
    H, W = first.shape
    chance = difference.var(1, ddof=1).mean() / W
    shared = difference.mean(1).var(ddof=1) - chance
    return float(np.sqrt(shared)) if shared > MARGIN * chance * np.sqrt(2 / H) else 0.0


def correlation(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Return the correlation of the noise with that of pixels up to 4 to the right and below.

    Args:
        frames: Two or more of one scene, (H, W) each.

    Returns:
        (5, 5), by rows and columns; 1 at the first.
    """
    noise = frames[1].astype(np.float64) - frames[0]
    noise -= noise.mean()
    power = (noise**2).mean()
    H, W = noise.shape
    return np.array([
        [
            (noise[: H - i, : W - j] * noise[i:, j:]).mean() / power if power else 0.0
            for j in range(LAGS + 1)
        ]
        for i in range(LAGS + 1)
    ])  # fmt: skip


def is_white(correlations: np.ndarray) -> bool:
    """Return whether noise of such correlations is independent from pixel to pixel."""
    others = np.abs(correlations).ravel()[1:]
    return bool(others.max() <= WHITE_NOISE)


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
    return Fit(shot, read, (low[0], high[0]), (low[1], high[1]), count)


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


def _floor(values: np.ndarray) -> float:
    """Return the value below which a sensor clips; minus infinity where its black is above zero."""
    lowest = values.min()
    return float(lowest) if (values == lowest).mean() > AT_FLOOR else float("-inf")


def _tiled(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return (rows, side, columns, side) of whole tiles."""
    rows, columns = (length // side for length in pixels.shape)
    return pixels[: rows * side, : columns * side].reshape(rows, side, columns, side)


def _tile_means(pixels: np.ndarray, side: int = TILE) -> np.ndarray:
    return _tiled(pixels, side).mean((1, 3))


def _line(tiles: Tiles) -> tuple[float, float, np.ndarray]:
    """Return slope, offset and weights by least squares, robust against tiles that moved."""
    slope, offset = 0.0, max(float(np.median(tiles.variance)), 1e-30)
    floor = 1e-3 * offset
    order = np.argsort(tiles.signal)
    groups = np.array_split(order, min(GROUPS, len(order) // 3))
    spread, weight = np.empty_like(tiles.signal), np.ones_like(tiles.signal)
    for step in range(ITERATIONS):
        # Within its deviation a signal would weigh a tile the more, the lower noise moved it.
        signal = np.maximum(tiles.signal, 3 * np.sqrt(offset / tiles.samples))
        expected = np.maximum(slope * signal + offset, floor)
        deviation = tiles.variance / expected - 1
        for group in groups:  # dark tiles of few photons spread further than bright ones
            part = deviation[group]
            spread[group] = 1.4826 * np.median(np.abs(part - np.median(part))) or 1.0
        # Smooth while it converges; then whole tiles, since variances spread further upwards.
        near = np.maximum(1 - (deviation / (BIWEIGHT * spread)) ** 2, 0) ** 2
        near = near if step < ITERATIONS - 3 else np.abs(deviation) < OUTLIER * spread
        weight = near / expected**2
        slope, offset = _solve(tiles, weight, offset)
    return slope, offset, weight


def _solve(tiles: Tiles, weight: np.ndarray, read: float) -> tuple[float, float]:
    """Return slope and offset by weighted least squares.

    The mean of a tile has the read noise of its values, which would flatten the line; what photons
    add to it moves a tile along the line.
    """
    signal, variance = tiles.signal, tiles.variance
    squares = float((weight * (signal**2 - read / tiles.samples)).sum())
    first, total = float((weight * signal).sum()), float(weight.sum())
    products, sums = float((weight * signal * variance).sum()), float((weight * variance).sum())
    determinant = squares * total - first**2
    if determinant <= 1e-12 * squares * total:  # all tiles of one brightness
        return 0.0, sums / total
    slope = (products * total - first * sums) / determinant
    offset = (squares * sums - first * products) / determinant
    return (slope, offset) if offset >= 0 else (products / squares, 0.0)
