"""Intervals and tests, against scipy and against simulated data of a known effect."""

import numpy as np
import pytest
from scipy import stats

from denoise.study.statistics import contrast, two_way

EFFECT = 0.05
SIMULATIONS = 1000


def simulated(seeds, images, by_seed, by_image, rest, count=SIMULATIONS, effect=EFFECT):
    """Differences of `count` studies, (count, seeds, images), with deviations in dB."""
    rng, shape = np.random.default_rng(0), np.atleast_1d(count)
    return (
        effect
        + rng.normal(0, by_seed, (*shape, seeds, 1))
        + rng.normal(0, by_image, (*shape, 1, images))
        + rng.normal(0, rest, (*shape, seeds, images))
    )


@pytest.mark.parametrize(
    ("seeds", "images", "by_seed", "by_image"),
    [(3, 66, 0.2, 0.1), (5, 66, 0.2, 0.1), (3, 66, 0.03, 0.1), (5, 24, 0.03, 0.1),
     (2, 66, 0.2, 0.1)],
)  # fmt: skip
def test_coverage_and_false_positives(seeds, images, by_seed, by_image):
    low, high = two_way(simulated(seeds, images, by_seed, by_image, 0.05)).bounds()
    covered = np.mean((low <= EFFECT) & (high >= EFFECT))
    assert 0.93 <= covered <= 0.97
    none = two_way(simulated(seeds, images, by_seed, by_image, 0.05, effect=0)).p_difference()
    assert np.mean(none < 0.05) <= 0.065  # 5 % and the error of 1,000 simulations


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_family_without_effects_has_false_positives_under_five_percent(seeds):
    runs = simulated(seeds, 24, 0.1, 0.05, 0.05, effect=0, count=(4000, 9))
    p = two_way(runs[:, 1:] - runs[:, :1]).p_difference()  # eight arms share a control
    assert np.mean(p.min(1) * 8 < 0.05) <= 0.05  # Holm's first step


def test_images_alone_would_lie():
    differences = simulated(3, 66, 0.2, 0.1, 0.05)
    pooled = stats.ttest_1samp(differences.mean(-2), 0, axis=-1).confidence_interval(0.95)
    assert np.mean((pooled.low <= EFFECT) & (pooled.high >= EFFECT)) < 0.3


def test_the_error_is_that_of_the_two_way_bootstrap():
    differences = simulated(4, 30, 0.1, 0.1, 0.0, count=1)[0]
    rng, means = np.random.default_rng(1), []
    for _ in range(4000):
        rows = differences[rng.integers(4, size=4)]
        means.append(rows[:, rng.integers(30, size=30)].mean())
    by_seed = differences.mean(1).var() / 4
    by_image = differences.mean(0).var() / 30
    assert np.std(means) == pytest.approx(np.sqrt(by_seed + by_image), rel=0.05)
    interval = two_way(differences)
    assert interval.variances == pytest.approx([by_seed * 4 / 3, by_image * 30 / 29])


def test_one_source_is_students_t():
    """Where images do not differ, the seeds' means are all there is."""
    rows = np.random.default_rng(0).normal(0.1, 0.1, (4, 1)).repeat(20, 1)
    interval, expected = two_way(rows), stats.ttest_1samp(rows[:, 0], 0)
    assert interval.p_difference() == pytest.approx(expected.pvalue, rel=1e-6)
    assert interval.bounds() == pytest.approx(tuple(expected.confidence_interval()), rel=1e-6)
    above = stats.ttest_1samp(rows[:, 0], 0.5, alternative="less").pvalue
    assert interval.p_equivalence(0.5) == pytest.approx(above, rel=1e-6)


def test_equivalence_agrees_with_the_interval():
    differences = simulated(3, 40, 0.005, 0.01, 0.01, effect=0.01)
    interval = two_way(differences)
    low, high = interval.bounds(0.9)
    inside = (low > -0.03) & (high < 0.03)
    found = interval.p_equivalence(0.03) < 0.05
    assert inside[found].all()  # the test is the stricter
    assert np.mean(found == inside) > 0.95
    assert 0.1 < inside.mean() < 0.99
    at_the_edge = two_way(simulated(3, 66, 0.03, 0.03, 0.03, effect=0.03))
    assert np.mean(at_the_edge.p_equivalence(0.03) < 0.05) < 0.065


def test_an_effect_of_the_detectable_size_is_found_four_times_of_five():
    differences = simulated(5, 66, 0.05, 0.05, 0.02, effect=0)
    size = np.median(two_way(differences).detectable())
    found = two_way(differences + size).p_difference() < 0.05
    assert 0.7 < found.mean() < 0.9


def test_contrast_of_two_sets():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.2, (SIMULATIONS, 3, 1))  # a seed moves both sets alike
    first = 0.1 + common + rng.normal(0, 0.1, (SIMULATIONS, 1, 24))
    second = common + rng.normal(0, 0.1, (SIMULATIONS, 1, 20))
    noise = rng.normal(0, 0.05, (2, SIMULATIONS, 3, 1))
    low, high = contrast(first + noise[0], second + noise[1]).bounds()
    assert 0.93 <= np.mean((low <= 0.1) & (high >= 0.1)) <= 0.98
    assert np.median(high - low) < np.median(np.diff(two_way(first).bounds(), axis=0))


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="1 seeds and 9 images: an interval needs two of each"):
        two_way(np.zeros((1, 9)))
    with pytest.raises(ValueError, match="the same two or more seeds"):
        contrast(np.zeros((3, 9)), np.zeros((2, 9)))


def test_equal_runs_differ_by_nothing():
    interval = two_way(np.zeros((3, 9)))
    assert interval.p_difference() == pytest.approx(1)
    assert interval.p_equivalence(0.03) < 1e-9
