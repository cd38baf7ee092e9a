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
        ("trainer.accelerator=gpu", "trainer.accelerator=gpu is not here: choose auto or cpu"),
        ("trainer.max_time=10m", "trainer.max_time=10m is not a time: write days:hours"),
        ("trainer.val_check_interval=0.5", "=0.5 is not a number of steps: batches are endless"),
        ("data@val=[]", "val"),
        ("attention=swin attention.window_size=-3", "window_size=-3 must be positive"),
        ("trainer.precision=16-true", "16-true is unknown: choose one of 32-true, 16-mixed"),
        ("trainer.precision=64-true", "64-true is unknown: choose one of 32-true, 16-mixed"),
        ("batch=0", "batch=0 must be positive"),
        ("train.folder.path=X", "it belongs to data@train=folder: add that"),
        ("data@train=pairs train.folder.path=X", "it belongs to data@train=folder: add that"),
        ("init=", "no checkpoint is named: give a path, or one of color"),
        (
            "data@train=folder train.folder.path=list.txt",
            "list.txt names no images: write the path",
        ),
        ("data@train=folder train.folder.path=*.jpg", r"\*\.jpg is a pattern: give the folder"),
    ],
)
def test_what_is_refused_is_answered_in_a_line(command, tmp_path, word, answer):
    (tmp_path / "list.txt").touch()
    with pytest.raises(SystemExit) as exit_:
        command("train", *word.split(), "hydra.run.dir=run")
    assert exit_.match("^error: ")
    assert "\n" not in str(exit_.value)
    assert re.search(answer, str(exit_.value)), str(exit_.value)


@pytest.mark.parametrize(
    ("command_line", "answer"),
    [
        ("evaluate checkpoint=", "no checkpoint is named: give a path, or one of color"),
        (
            "evaluate checkpoint=model.onnx",
            "model.onnx: is an exported program: give the checkpoint",
        ),
        (
            "evaluate checkpoint=color data=folder data.folder.path=list.txt",
            "names no images: write",
        ),
        ("evaluate checkpoint=color data=folder data.folder.path=*.jpg", "is a pattern: give the"),
        (
            "restore input=my photo.png output=o.png",
            "a value with spaces is quoted: 'input=my photo",
        ),
        (
            "restore memory=10MB input=a.png output=o.png",
            "memory=10MB, but the program alone takes",
        ),
        ("restore input=a.png output=o.png memory=lots", "'lots' is not a size such as 2GiB"),
        ("restore checkpoint=none.ckpt input=a.png output=o.png", "none.ckpt: no such checkpoint"),
        ("restore input=none.png output=o.png", "none.png does not exist: check the path"),
        ("restore input=list.txt output=o.png", "list.txt cannot be read .*: give a whole PNG"),
        ("export checkpoint=color output=list.txt", "list.txt is a file: give a folder"),
        ("export checkpoint=color output=o format=[tflite]", "choose from safetensors, onnx, pt2"),
    ],
)
def test_other_commands_answer_in_a_line_too(command, tmp_path, command_line, answer):
    for name in ("list.txt", "model.onnx"):
        (tmp_path / name).touch()
    name, *words = command_line.split(" ")
    with pytest.raises(SystemExit) as exit_:
        command(name, *words)
    lines = str(exit_.value).splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) == 1 + ("pictures failed" in lines[0])
    assert re.search(answer, lines[-1]), lines


def test_causes_are_told_and_faults_of_ours_are_not():
    error = InstantiationException("Error in call to target 'x'")
    error.__cause__ = ValueError("kernel_size=2 must be odd")
    assert explain(error, "train", []) == "kernel_size=2 must be odd"
    assert explain(ZeroDivisionError("division by zero"), "train", []) is None
    exit_with_error(ZeroDivisionError("division by zero"), "train", [])
    with pytest.raises(SystemExit, match=r"^error: no file$"):
        exit_with_error(FileNotFoundError("no file"), "train", [])
