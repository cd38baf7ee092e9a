"""Overrides of another type than their defaults."""

import pytest


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("shuffle_channels=no", "shuffle_channels=no is neither true nor false"),
        ("attention.bias=1", "attention.bias=1 is neither true nor false"),
        ("backbone.sigma_map=yes", "sigma_map=yes is neither true nor false, nor signal"),
        ("trainer.max_steps=many", "trainer.max_steps=many is not a number"),
        ("trainer.max_steps=true", "trainer.max_steps=True is not a number"),
        ("sigma=[15,low]", "is not a number"),
    ],
)
def test_other_types_are_refused(command, word, answer):
    with pytest.raises(SystemExit, match=r"^error: ") as exit_:
        command("train", word, "hydra.run.dir=run")
    assert answer in str(exit_.value)


def test_the_default_of_a_chosen_option_counts(command):
    with pytest.raises(SystemExit, match=r"attention\.window_size=wide is not a number"):
        command("train", "attention=swin", "attention.window_size=wide", "hydra.run.dir=run")
