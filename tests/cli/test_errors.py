"""Errors in one line that say what there is to choose from."""

import re

import pytest
from hydra.errors import InstantiationException

from denoise.cli.errors import exit_with_error, explain


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("attention=swim", r"Available options in 'attention':[\s\w]*mdta[\s\w]*none"),
        ("norm=batch", r"Available options in 'norm':[\s\w]*dyt[\s\w]*layernorm"),
        ("attention.size=4", "no option 'attention.size'; attention has: bias"),
        ("sigmas=4", "no option 'sigmas'; the config has: .*sigma, channels"),
        ("trainer.maxsteps=4", "no option 'trainer.maxsteps'; trainer has: .*max_steps, max_time"),
        ("+norm.delta=1", "unexpected keyword argument 'delta'"),
        ("backbone.num_heads=[1,2]", r"num_blocks has 4 levels, num_heads 2"),
        ("data@train=folder", r"train\.folder\.path=\.\.\."),
        ("sigma=-3", "sigma=-3"),
        ("sigma=[15", r"sigma=\[15"),
        ("data_dir=nowhere data@val=bsd32", "nowhere/bsd32.*fetch-data"),
        ("resume=nothing.ckpt", "nothing.ckpt: no such checkpoint"),
        ("patch=5000", "less than crops of 5000"),
    ],
)
def test_what_is_refused_is_answered_in_a_line(command, word, answer):
    with pytest.raises(SystemExit) as exit_:
        command("train", *word.split(), "hydra.run.dir=run")
    assert exit_.match("^error: ")
    assert "\n" not in str(exit_.value)
    assert re.search(answer, str(exit_.value)), str(exit_.value)


def test_causes_are_told_and_faults_of_ours_are_not():
    error = InstantiationException("Error in call to target 'x'")
    error.__cause__ = ValueError("kernel_size=2 must be odd")
    assert explain(error, "train", []) == "kernel_size=2 must be odd"
    assert explain(ZeroDivisionError("division by zero"), "train", []) is None
    exit_with_error(ZeroDivisionError("division by zero"), "train", [])
    with pytest.raises(SystemExit, match=r"^error: no file$"):
        exit_with_error(FileNotFoundError("no file"), "train", [])
