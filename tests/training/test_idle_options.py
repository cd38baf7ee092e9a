import pytest
from harness import make

from denoise.training.idle_options import idle_options


def told(patch, *words, shifts=True):
    return list(idle_options(make("backbone", "backbone.dim=8", *words), patch, shifts=shifts))


def test_a_window_larger_than_the_crop_of_a_level():
    words = ("attention=swin", "backbone.num_blocks=[2,2,2,2]")
    (line,) = told(48, *words)
    assert line.startswith("level 3: a crop of 48 px has 6 there, fewer than the 8 ")
    assert line.endswith("patch=64 has as many")
    (line,) = told(64, *words)
    assert line == (
        "level 3: a crop of 64 px is one window there, which cannot shift: patch=128 has two"
    )
    assert not told(128, *words)


def test_windows_that_never_shift():
    (line,) = told(128, "attention=swin", "backbone.num_blocks=[2,2,2,1]")
    assert line.startswith("level 3: windows shift from block to block, and each stage has one")
    still = ("attention=swin", "attention.shift=false", "backbone.num_blocks=[2,2,2,2]")
    assert not told(128, *still, shifts=False)


def test_a_neighbourhood_larger_than_the_crop_of_a_level():
    words = ("attention=neighborhood", "attention.kernel_size=7", "backbone.num_blocks=[1,1,1,1]")
    (line,) = told(48, *words)
    assert line.startswith("level 3: a crop of 48 px has 6 there, fewer than the 7 ")


@pytest.mark.parametrize("attention", ["mdta", "none", "dwconv", "non_local"])
def test_others_have_nothing_to_say(attention):
    assert not told(16, f"attention={attention}")
