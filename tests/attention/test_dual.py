"""Two mixers in one: their sum, and properties that follow from theirs."""

import pytest
import torch
from harness import assert_same, make, normal, parameters, randomize
from oracles import depends
from torch.nn import Identity

WORDS = ("attention=dual", "attention@attention.first=neighborhood",
         "attention@attention.second=swin")  # fmt: skip


@pytest.mark.parametrize("order", ["sequence", "parallel"])
def test_dual_is_the_sum_of_its_two(order):
    mixer = randomize(make("attention", *WORDS, f"attention.order={order}")(16, 2, 1)).double()

    def parts(x):
        first = mixer.first(x)
        return first + mixer.second(mixer.norm(x + first) if order == "sequence" else x)

    own = parameters(mixer)
    assert_same((mixer, own), (parts, own), normal(2, 16, 13, 18))


def test_the_norm_between_the_two_is_the_backbones():
    mixer = make("attention", *WORDS, "norm=dyt")(16, 2, 1)
    assert type(mixer.norm) is type(make("norm", "norm=dyt")(16))
    assert isinstance(make("attention", *WORDS, "attention.norm=null")(16, 2, 1).norm, Identity)


@pytest.mark.parametrize("order", ["sequence", "parallel"])
def test_dual_of_bounded_parts_is_bounded(order):
    mixer = randomize(make("attention", *WORDS, f"attention.order={order}")(16, 2, 1)).double()
    assert mixer.properties.family == "local + window"
    assert mixer.properties.shift_period == 8
    visible = depends(mixer, 48, 9, 2) > 1e-12
    for place in range(48):
        first, last = mixer.properties.receptive_field.input_range(place, place, 48)
        places = torch.nonzero(visible[:, place]).flatten()
        assert (places[0], places[-1]) == (first, last)


def test_dual_with_an_unbounded_part_is_unbounded():
    mixer = make("attention", WORDS[0], WORDS[1], "attention@attention.second=mdta")(16, 2, 1)
    assert mixer.properties.receptive_field is None
    assert mixer.properties.shift_period == 1


def test_dual_refuses_an_unknown_order():
    with pytest.raises(Exception, match="order=sideways is unknown"):
        make("attention", *WORDS, "attention.order=sideways")(16, 2, 1)
