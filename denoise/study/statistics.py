"""Intervals and tests of paired differences over seeds and images."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95
POWER = 0.8
LEAST_P = 1e-12
HALVINGS = 60  # of the search for a p-value


class Interval(NamedTuple):
    """A mean difference with the variances that make up its error.

    Attributes:
        mean: Mean difference, of any shape.
        variances: Variance of the mean by its source, (sources, ...).
        freedom: Degrees of freedom of each source, (sources,).
    """

    mean: np.ndarray
    variances: np.ndarray
    freedom: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Return the standard error of the mean."""
        return np.sqrt(self.variances.sum(0))

    def quantile(self, probability: float | np.ndarray, *, power: int = 1) -> np.ndarray:
        """Return a quantile of mean / error: Student's t of the sources, by their variances.

        Cochran and Cox (1950) for power 1: a source with few degrees of freedom counts as much as
        it contributes. Their mean square (power 2) is a little larger, and still right far out in
        the tails, where a test of many comparisons looks.

        Args:
            probability: From 0.5.
            power: Of the mean over the sources.
        """
        freedom = self.freedom.reshape(-1, *[1] * self.mean.ndim)
        quantiles = stdtrit(freedom, probability) ** power
        return ((quantiles * self.variances).sum(0) / self.variances.sum(0)) ** (1 / power)

    def bounds(self, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper end of the confidence interval."""
        margin = self.quantile((1 + confidence) / 2) * self.error
        return self.mean - margin, self.mean + margin

    def p_difference(self) -> np.ndarray:
        """Return the two-sided p-value of no difference."""
        return np.minimum(1.0, 2 * self._tail(np.abs(self.mean) / self.error))

    def p_equivalence(self, region: float) -> np.ndarray:
        """Return the p-value of a difference beyond +-region: two one-sided tests.

        Schuirmann (1987): the difference lies within the region if both are refuted.
        """
        return self._tail((region - np.abs(self.mean)) / self.error)

    def detectable(self) -> np.ndarray:
        """Return the true difference that a test at 5 % finds with 80 % power."""
        return (self.quantile((1 + CONFIDENCE) / 2) + self.quantile(POWER)) * self.error

    def _tail(self, value: np.ndarray) -> np.ndarray:
        """Return the probability beyond a value of mean / error."""
        size = np.abs(value)
        low, high = np.full(size.shape, np.log(LEAST_P)), np.full(size.shape, np.log(0.5))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            beyond = (
                self.quantile(1 - np.exp(middle), power=2) > size
            )  # the tail is larger than this
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
        tail = np.exp(high)
        return np.where(value >= 0, tail, 1 - tail)


def two_way(differences: np.ndarray) -> Interval:
    """Return the mean of paired differences, with an error that counts seeds and images.

    The standard error is that of the bootstrap which resamples seeds, then images, in the limit of
    many resamples; the effects of n levels are scaled by n / (n - 1), without which two or three
    seeds would look far too sure.

    Args:
        differences: (..., seeds, images), two or more of each.

    Raises:
        ValueError: For one seed or one image: nothing is known of their spread.
    """
    seeds, images = differences.shape[-2:]
    if min(seeds, images) < 2:
        raise ValueError(f"{seeds} seeds and {images} images: an interval needs two of each")
    sources = [(differences.mean(-1), seeds), (differences.mean(-2), images)]
    return _interval(differences.mean((-2, -1)), sources)


def contrast(first: np.ndarray, second: np.ndarray) -> Interval:
    """Return how much larger the mean of `first` is than that of `second`, over the same seeds.

    Args:
        first: (..., seeds, images), differences on one set.
        second: (..., seeds, images), differences on another set.

    Raises:
        ValueError: As for `two_way`, or if the seeds are not the same number.
    """
    seeds = first.shape[-2]
    if min(*first.shape[-2:], *second.shape[-2:]) < 2 or second.shape[-2] != seeds:
        raise ValueError("a contrast needs the same two or more seeds, and two images of each set")
    sources = [(first.mean(-1) - second.mean(-1), seeds)]
    sources += [(one.mean(-2), one.shape[-1]) for one in (first, second)]
    return _interval(first.mean((-2, -1)) - second.mean((-2, -1)), sources)


def _interval(mean: np.ndarray, sources: list[tuple[np.ndarray, int]]) -> Interval:
    """Add the variances of the means over the levels of each source."""
    variances = np.stack([levels.var(-1, ddof=1) / count for levels, count in sources])
    freedom = np.array([count - 1 for _, count in sources])
    return Interval(np.asarray(mean), np.maximum(variances, np.finfo(float).tiny), freedom)
