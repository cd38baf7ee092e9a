"""Gains over the noisy image, and the noise where a model gains least."""

import math

import numpy as np
import pytest

from denoise.evaluation.generalisation import gains, worst_cases


def rows(restored, noisy):
    return [
        {"set": "a", "sigma": None, "image": str(i), "method": method, "psnr": value, "ssim": 0.0}
        for i, pair in enumerate(zip(restored, noisy, strict=True))
        for method, value in zip(("restored", "noisy"), pair, strict=True)
    ]


def test_intervals_are_students():
    (cell,) = gains({("one", "white"): rows([31, 30, 32], [20, 20, 20])})
    assert (cell.psnr, cell.gain) == (31, 11)
    margin = 4.302652729749464 * math.sqrt(1 / 3)  # the t of 2 degrees of freedom
    assert (cell.low, cell.high) == pytest.approx((11 - margin, 11 + margin))


def test_a_single_image_has_no_interval():
    (cell,) = gains({("one", "white"): rows([31], [20])})
    assert cell.gain == 11
    assert np.isnan([cell.low, cell.high]).all()


def test_the_worst_case_is_named_and_harm_told():
    scores = {
        ("one", "white"): rows([31, 32], [20, 20]),
        ("one", "jpeg"): rows([19, 19.01], [20, 20]),
        ("two", "white"): rows([25, 26], [20, 20]),
        ("two", "jpeg"): rows([27, 28], [20, 20]),
    }
    first, second = worst_cases(gains(scores))
    assert "`one`: jpeg, -0.99 dB" in first
    assert first.endswith("worse.")
    assert "`two`: white, +5.50 dB" in second
    assert "worse" not in second
