import pytest
import torch
from harness import make

from denoise.training.learning_rate import (
    constant_cosine,
    constant_linear,
    is_scheduler,
    warmup_cosine,
)


def test_warmup_cosine():
    assert [warmup_cosine(x, warmup=0.1, floor=0.01) for x in (0.05, 0.1, 1)] == pytest.approx(
        [0.5, 1, 0.01]
    )
    assert warmup_cosine(0.55, warmup=0.1, floor=0) == pytest.approx(0.5)
    assert warmup_cosine(0, warmup=0.1, floor=0) > 0


def test_constant_cosine():
    assert [constant_cosine(x, constant=0.3, floor=0) for x in (0, 0.3, 0.65, 1)] == pytest.approx(
        [1, 1, 0.5, 0]
    )


def test_a_rate_that_is_constant_to_the_end():
    assert [constant_cosine(x, constant=1.0, floor=0) for x in (0, 0.5, 1)] == [1, 1, 1]


def test_constant_linear():
    assert [constant_linear(x, decay=0.2) for x in (0, 0.8, 0.9, 1)] == pytest.approx(
        [1, 1, 0.5, 0]
    )
    assert constant_linear(1, decay=0) == 1


def test_schedulers_of_torch_are_told_from_factors():
    assert is_scheduler(make("scheduler", "scheduler=multi_step"))
    assert is_scheduler(torch.optim.lr_scheduler.ExponentialLR)
    assert not is_scheduler(make("scheduler"))
    with pytest.raises(ValueError, match="ReduceLROnPlateau needs a score"):
        is_scheduler(torch.optim.lr_scheduler.ReduceLROnPlateau)
