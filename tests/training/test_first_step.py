"""The callback that the benchmark times the first step with."""

import os
import re
import time

import pytest

from denoise.training.first_step import ExitAfterFirstStep


def test_the_first_step_ends_the_process(monkeypatch, capfd):
    monkeypatch.setattr(os, "_exit", lambda status: (_ for _ in ()).throw(SystemExit(status)))
    with pytest.raises(SystemExit) as exit_:
        ExitAfterFirstStep(time.time() - 5).on_train_batch_end(None, None, None, None, 0)
    assert exit_.value.code == 0
    seconds = re.fullmatch(r"first step after ([\d.]+) s\n", capfd.readouterr().out)[1]
    assert 5 <= float(seconds) < 10
