"""Checks of options name the option, its value and the remedy."""

import pytest

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.unfold import UnfoldAttention
from denoise.option_checks import check_choice, check_odd, check_positive


def test_an_even_side_is_refused():
    check_odd(kernel_size=3, kernel=1)
    with pytest.raises(ValueError, match=r"^kernel=4 must be odd$"):
        check_odd(kernel_size=3, kernel=4)


def test_zero_and_less_are_refused():
    check_positive(pool=1, ratio=0.5)
    for size in (0, -3):
        for check in (check_positive, check_odd):
            with pytest.raises(ValueError, match=f"^kernel={size} must be positive$"):
                check(kernel=size)


def test_an_unknown_value_is_refused_with_those_allowed():
    check_choice(("mask", "reflect"), border="mask")
    with pytest.raises(ValueError, match=r"^border=zero is unknown: choose one of mask, reflect$"):
        check_choice(("mask", "reflect"), border="zero")


@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_mixers_refuse_an_even_kernel(kind):
    with pytest.raises(ValueError, match="kernel_size=4 must be odd"):
        kind(8, 2, 0, kernel_size=4)
