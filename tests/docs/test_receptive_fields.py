"""Pictures show what the properties state."""

import pytest
import torch
from harness import ROOT, options
from mixers import factories
from receptive_fields import DIM, HEADS, INSIDE, SIDE, draw, influence, panels


def stated(name):
    (factory,) = factories(name).values()
    return factory, factory(DIM, HEADS, 1).properties.receptive_field


QUICK = ("neighborhood", "swin", "mdta")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in options("attention")
        if name != "per_level"
    ],
)
def test_influence_is_within_the_receptive_field(name):
    factory, receptive_field = stated(name)
    reached = influence(factory, 1, INSIDE, draws=1) > 0
    assert reached.any()
    if receptive_field is not None:
        bounds = [receptive_field.input_range(place, place, SIDE) for place in INSIDE]
        inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        (top, bottom), (left, right) = bounds
        inside[top : bottom + 1, left : right + 1] = True
        assert not (reached & ~inside).any()
        rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
        assert (rows.min(), rows.max()) == (top, bottom)
        assert (columns.min(), columns.max()) == (left, right)
    else:
        far = reached.any(1).nonzero()
        assert far.max() - far.min() > SIDE // 2


def test_shifted_windows_show_both_blocks():
    assert list(panels("swin", 1)) == ["even block", "odd block", "near a corner"]
    assert list(panels("oca", 1)) == ["a pixel inside", "near a corner"]
    assert list(panels("per_level", 1)) == ["level 1", "level 2", "level 3", "level 4"]


def test_every_attention_has_its_picture(tmp_path):
    committed = {path.stem for path in (ROOT / "docs/attention").glob("*.png")}
    assert set(options("attention")) <= committed
    draw("none", tmp_path / "none.png", draws=1)
    assert (tmp_path / "none.png").stat().st_size > 1000
