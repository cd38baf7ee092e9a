"""Gains over the noisy image, leads over the best model, and where each model fares worst."""

import math

import numpy as np
import pytest

from denoise.evaluation.generalisation import compare_models, worst_cases


def rows(restored, noisy):
    return [
        {"set": "a", "sigma": None, "image": str(i), "method": method, "psnr": value, "ssim": 0.0}
        for i, pair in enumerate(zip(restored, noisy, strict=True))
        for method, value in zip(("restored", "noisy"), pair, strict=True)
    ]


def test_intervals_are_students():
    (cell,) = compare_models({("one", "white"): rows([31, 30, 32], [20, 20, 20])})
    assert (cell.psnr, cell.gain.mean, cell.lead.mean, cell.best) == (31, 11, 0, "one")
    margin = 4.302652729749464 * math.sqrt(1 / 3)  # the t of 2 degrees of freedom
    assert cell.gain[1:] == pytest.approx((11 - margin, 11 + margin))


def test_a_single_image_has_no_interval():
    (cell,) = compare_models({("one", "white"): rows([31], [20])})
    assert cell.gain.mean == 11
    assert np.isnan(cell.gain[1:]).all()


def test_leads_are_paired_over_the_images():
    scores = {
        ("one", "white"): rows([31, 41], [20, 30]),
        ("two", "white"): rows([29, 39.2], [20, 30]),
    }
    best, other = compare_models(scores)
    assert best.lead == (0, 0, 0)
    assert (best.best, other.best) == ("one", "one")
    assert other.lead.mean == pytest.approx(-1.9)
    assert other.lead.high - other.lead.low < 3  # the images' 10 dB are no part of it
    assert other.gain.mean == pytest.approx(9.1)


def test_the_worst_case_is_where_another_model_is_farthest_ahead():
    """Not where the noise leaves little to gain."""
    scores = {
        ("one", "white"): rows([31, 32], [20, 20]),
        ("one", "jpeg"): rows([21, 21.5], [20, 20]),
        ("two", "white"): rows([25, 26.5], [20, 20]),
        ("two", "jpeg"): rows([20.5, 21.1], [20, 20]),
    }
    first, second = worst_cases(compare_models(scores))
    assert first == "- Worst case of `one`: none, it is the best on each noise."
    assert second.startswith("- Worst case of `two`: white, -5.75 (")
    assert second.endswith("dB against `one`.")


def test_the_worst_case_of_a_single_model_is_its_smallest_gain_and_harm_is_told():
    scores = {
        ("one", "white"): rows([31, 32], [20, 20]),
        ("one", "jpeg"): rows([19, 19.04], [20, 20]),
    }
    (sentence,) = worst_cases(compare_models(scores))
    assert sentence.startswith("- Worst case of `one`: jpeg, -0.98 (")
    assert sentence.endswith("it makes those images worse.")
    del scores["one", "jpeg"]
    (sentence,) = worst_cases(compare_models(scores))
    assert sentence.endswith("over the noisy image.")
