"""What changes from frame to frame of a scene that stands still: the temporal noise of a sensor.

Texture, fixed pattern and dark shading are the same in every frame, so that differences from their
mean hold none of them (EMVA standard 1288, release 4.0, 2021).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

TILE = 8  # side in pixels
NEAR_WHITE = 0.98  # values above it may be clipped
AT_FLOOR = 1e-3  # share of pixels of the least value from which they are clipped there
OUTLIER = 4.5  # deviations of Gaussian noise that are not noise any more
GROUPS = 16  # of tiles by their signal
STEPS = 5  # of weighing anew
MOST_PIXELS = 2**19  # that tell how bright a frame is
TINY = 1e-30
CHANCE = 6.0  # deviations of the estimate from which row noise is no chance
LAGS = 4  # pixels
WHITE_NOISE = 0.05  # correlation of neighbours up to which noise counts as white
TO_SIGMA = 1.4826  # from the median of absolute deviations to a standard deviation


class TemporalNoise(NamedTuple):
    """Noise of the pixels of a scene, without what a whole frame or a whole row shares.

    Args:
        signal: Its mean, (H, W), 0 at black and 1 at white.
        noise: Of each frame, (N, H, W).
        variance: Of each pixel, without bias, (H, W).
        frames: That the signal is the mean of; infinity for a reference.
        lowest: Value at which dark pixels are clipped; minus infinity if they are not.
        row: Standard deviation of what the pixels of a row share; 0 where it may be chance.
    """

    signal: np.ndarray
    noise: np.ndarray
    variance: np.ndarray
    frames: float
    lowest: float
    row: float


def temporal_noise(
    frames: Sequence[np.ndarray], reference: np.ndarray | None = None
) -> TemporalNoise:
    """Separate noise from the scene, from the flicker of lamps, and from row noise.

    Args:
        frames: Of one scene, (H, W) each; two or more, or one with a reference.
        reference: The scene without noise, such as the mean of many frames, (H, W).

    Raises:
        ValueError: If there are fewer than two, or they differ in size.
    """
    given = [*frames] if reference is None else [*frames, reference]
    if len(given) < 2 or len({frame.shape for frame in given}) > 1:
        shapes = sorted({frame.shape for frame in given})
        raise ValueError(f"{len(given)} frames of shapes {shapes}: two of one size are needed")
    stack = np.stack(frames).astype(np.float64)
    signal = stack.mean(0) if reference is None else reference.astype(np.float64)
    degrees = len(frames) - (reference is None)
    lowest = clipped_below(stack)
    noise = stack - signal
    expected = _expected_variance(signal, noise)
    weight = ((signal < NEAR_WHITE) & (signal > lowest)) / expected
    for frame in noise:
        frame -= _drift(signal, frame, weight)
    means = [_row_means(frame, weight) for frame in noise]
    rows, chance = (np.stack(column) for column in zip(*means, strict=True))
    row = _row_deviation(rows, chance) * np.sqrt(len(frames) / degrees)
    lost = 0.0  # to the means of rows, exactly so for weights of inverse variance
    if row:
        noise -= rows[..., None]
        lost = chance.sum(0)[:, None]
    variance = (np.einsum("nij,nij->ij", noise, noise) + lost) / degrees
    behind = float(len(frames)) if reference is None else float("inf")
    return TemporalNoise(signal, noise, variance, behind, lowest, row)


def correlation(temporal: TemporalNoise) -> np.ndarray:
    """Return the correlation of the noise with that of pixels up to 4 to the right and below.

    It is the median over tiles of 8 x 8 pixels, which neither bright parts dominate nor what moves.

    Returns:
        (5, 5), by rows and columns; 1 at the first.
    """
    noise = temporal.noise[0]
    H, W = (length - LAGS for length in noise.shape)
    power = tile_means(noise[:H, :W] ** 2)
    unclipped = (temporal.signal < NEAR_WHITE) & (temporal.signal > temporal.lowest)
    used = (power > 0) & (tile_means(unclipped[:H, :W]) == 1)
    if not used.any():
        return np.zeros((LAGS + 1, LAGS + 1))
    # Each product over the mean power of both its pixels, or an edge of the tile would count.
    return np.array([
        [
            np.median(
                tile_means(noise[:H, :W] * noise[i : H + i, j : W + j])[used]
                / np.maximum((power + tile_means(noise[i : H + i, j : W + j] ** 2))[used] / 2, TINY)
            )
            for j in range(LAGS + 1)
        ]
        for i in range(LAGS + 1)
    ])  # fmt: skip


def is_white(correlations: np.ndarray) -> bool:
    """Return whether noise of such correlations is independent from pixel to pixel."""
    return largest_correlation(correlations) <= WHITE_NOISE


def largest_correlation(correlations: np.ndarray) -> float:
    """Return the largest magnitude of correlations with other pixels."""
    return float(np.abs(correlations).ravel()[1:].max(initial=0))


def clipped_below(values: np.ndarray) -> float:
    """Return the value below which a sensor clips; minus infinity where its black is above zero."""
    lowest = values.min()
    return float(lowest) if (values == lowest).mean() > AT_FLOOR else float("-inf")


def tiled(pixels: np.ndarray, side: int = TILE) -> np.ndarray:
    """Return (rows, side, columns, side) of whole tiles."""
    rows, columns = (length // side for length in pixels.shape)
    return pixels[: rows * side, : columns * side].reshape(rows, side, columns, side)


def tile_means(pixels: np.ndarray, side: int = TILE) -> np.ndarray:
    """Return the means of whole tiles, (rows, columns)."""
    return tiled(pixels, side).mean((1, 3))


def _expected_variance(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the variance of a frame's noise at each pixel, by signal.

    It is from within the rows of tiles, which hold neither drift nor row noise.
    """
    if min(signal.shape) < TILE:
        return np.full_like(signal, max(float(noise.var()), TINY))
    level = tile_means(signal).ravel()
    order = np.argsort(level)
    spread = np.mean([tiled(frame).var(3, ddof=1).mean(1) for frame in noise], 0).ravel()
    groups = np.array_split(order, min(GROUPS, len(order)))
    points = [(level[group].mean(), np.median(spread[group])) for group in groups]
    levels, variances = zip(*points, strict=True)
    return np.maximum(np.interp(signal, levels, variances), max(1e-3 * max(variances), TINY))


def _drift(signal: np.ndarray, noise: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what a lamp and the level of black changed in a frame: a line over the signal."""
    used = weight > 0
    if not used.any():
        return np.zeros_like(signal)
    step = -(-int(used.sum()) // MOST_PIXELS)
    x, y, w = (values[used][::step] for values in (signal, noise, weight))
    slope, offset = 0.0, float(np.median(y))
    for _ in range(STEPS):
        off = (y - slope * x - offset) * np.sqrt(w)
        near = w * (np.abs(off) <= OUTLIER * max(TO_SIGMA * float(np.median(np.abs(off))), TINY))
        total = near.sum()
        centre, mean = (near * x).sum() / total, (near * y).sum() / total
        squares = (near * (x - centre) ** 2).sum()
        slope = float((near * (x - centre) * y).sum() / squares) if squares > TINY else 0.0
        offset = float(mean - slope * centre)
    return slope * signal + offset


def _row_means(noise: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each row and its variance by chance, (H,) each, without what moves."""
    rows = np.median(noise, 1)
    for _ in range(STEPS):
        near = weight * (np.abs(noise - rows[..., None]) * np.sqrt(weight) <= OUTLIER)
        total = near.sum(1)
        rows = np.where(total > 0, (near * noise).sum(1) / np.maximum(total, TINY), 0.0)
    return rows, np.where(total > 0, 1 / np.maximum(total, TINY), 0.0)


def _row_deviation(rows: np.ndarray, chance: np.ndarray) -> float:
    """Return the row noise with which the means of rows spread as they do.

    Args:
        rows: Means, (N, H).
        chance: Their variance by the noise of pixels alone.
    """
    rows, chance = rows[chance > 0], chance[chance > 0]
    if len(rows) < 3:
        return 0.0

    def excess(shared: float) -> float:
        return TO_SIGMA * float(np.median(np.abs(rows) / np.sqrt(chance + shared))) - 1

    # The median of absolute deviations of so many values has this relative deviation.
    if excess(0) <= CHANCE * 1.17 / np.sqrt(2 * len(rows)):
        return 0.0
    return float(np.sqrt(brentq(excess, 0, 1 + (rows**2).max() * 1e3)))
