"""The training command, timed from outside."""

import pytest

from denoise.benchmark.train import _profiled, train
from denoise.cli.benchmark import FACTORY

PROFILE = """
|  Action                                     |  Mean duration (s)  |  Num calls  |  Total time (s)  |  Percentage %  |
|  Total                                      |  -                  |  10         |  12.5            |  100 %         |
|  run_training_epoch                         |  11.0               |  1          |  11.25           |  90 %          |
|  [_TrainingEpochLoop].train_dataloader_next |  0.001              |  300        |  0.3             |  2 %           |
"""  # noqa: E501


def test_seconds_are_read_from_a_profile():
    assert _profiled(PROFILE, "run_training_epoch") == 11.25
    assert _profiled(PROFILE, "[_TrainingEpochLoop].train_dataloader_next") == 0.3
    assert _profiled(PROFILE, "run_validation", missing=0.0) == 0.0
    with pytest.raises(RuntimeError, match="no run_validation"):
        _profiled(PROFILE, "run_validation")


@pytest.mark.slow
def test_the_first_step_and_the_waiting_are_measured():
    tables = train(FACTORY, rounds=1)
    first, waiting = tables["denoise train"]
    assert first["value"] > 1
    assert 0 < waiting["value"] < 0.5
