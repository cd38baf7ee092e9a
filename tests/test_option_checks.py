"""Checks of options name the option, its value and the remedy."""

import pytest

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.unfold import UnfoldAttention
from denoise.option_checks import at_level, check_choice, check_odd, check_positive


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


def test_at_level():
    assert at_level(1, a=[8, 4, 2], b=(1, 2), c=7) == [4, 2, 7]
    assert at_level(5, a=[8, 4, 2]) == [2]
    with pytest.raises(ValueError, match="a=\\[\\] must hold a number for each level"):
        at_level(0, a=[])
