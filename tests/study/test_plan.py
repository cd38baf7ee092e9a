"""The plan: sizes, the time of a step, hours."""

import pytest
from harness import make
from tiny_study import BASE, options

from denoise.study.declaration import declare
from denoise.study.equalise import Size
from denoise.study.plan import hours, not_equal, plan_rows, time_step


def test_a_step_takes_time():
    assert 0 < time_step(make("backbone", *BASE), 3, 1, 16) < 60


def test_hours_are_steps_times_seconds():
    study = declare(options())
    first, second = hours(study, lambda arm: 3600)
    assert first == {
        "rung": "A", "arms": 4, "runs": 8, "steps a run": 5, "steps": 40, "hours": 40,
    }  # fmt: skip
    # two controls, one kept, one loser; each goes on from step 4
    assert second["arms"] == 4
    assert second["steps"] == 4 * 2 * (10 - 4)
    rates = hours(declare(options(rates=[0.5, 1, 2])), lambda arm: 3600)[0]
    assert rates["runs"] == 8 + 2 * 4


def test_an_arm_of_another_size_is_marked_and_told():
    study = declare(options())
    sizes = {arm.name: Size(100, 1.0, 0.0, ()) for arm in study.arms}
    sizes["sca"] = Size(130, 0.5, 0.3, ())
    rows = {row["arm"]: row for row in plan_rows(study, sizes, lambda arm: 6)}
    assert rows["sca"]["off"] == "+30.0% !"
    assert rows["none (control)"]["off"] == "+0.0%"
    assert rows["cbam"]["A, min"] == "0.5"
    (sentence,) = not_equal(study, sizes)
    assert sentence.startswith("sca is +30.0% off in parameters")
    assert rows["sca"]["parameters"] == "130"
    assert not_equal(declare(options(equalise="nothing")), sizes) == []


@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_is_as_asked(batch):
    shapes = []

    class Net:
        def __call__(self, noisy, sigma):
            shapes.append((noisy.shape, sigma.shape))
            return noisy.requires_grad_()

    time_step(Net(), 3, batch, 8)
    assert set(shapes) == {((batch, 3, 8, 8), (batch,))}
