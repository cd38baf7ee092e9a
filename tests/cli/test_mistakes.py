"""The table of mistakes: each is answered in one line with the value and the remedy."""

import re

import pytest
import torch
from hydra.errors import InstantiationException
from runs import QUICK

from denoise.cli.errors import explain
from denoise.errors import first_line
from denoise.weights.read import CheckpointError, read_weights

PHOTOS = [word for word in QUICK if "folder" in word]
TABLE = [
    ("trainer.accelerator=tpu", "trainer.accelerator=tpu is not here: choose auto or cpu"),
    ("trainer.max_time=10m", "trainer.max_time=10m is not a time: .*00:00:10:00 for ten minutes"),
    ("trainer.val_check_interval=0.5", "trainer.val_check_interval=0.5 .*: .* one such as 250"),
    ("trainer.precision=16-true", "trainer.precision=16-true is unknown: .*32-true, 16-mixed"),
    ("trainer.precision=64-true", "trainer.precision=64-true is unknown: .*32-true, 16-mixed"),
    ("trainer.devices=0", r"trainer: .*devices=0"),
    ("data@val=[]", r"data@val=\[\] chooses no images: give a set, such as data@val=folder"),
    ("data@test=[]", r"data@test=\[\] chooses no images"),
    ("attention=swin attention.window_size=-3", "window_size=-3 must be positive"),
    ("attention=slide attention.kernel_size=-3", "kernel_size=-3 must be positive"),
    ("attention=neighborhood attention.dilation=0", "dilation=0 must be positive"),
    ("attention.window=-8", "window=-8 must be positive"),
    ("backbone.dim=7", "dim=7 must be even"),
    ("backbone.num_heads=[1,2,4,0]", r"num_heads\[3\]=0 must be positive"),
    ("channels=0", "in_channels=0 must be positive"),
    ("batch=0", "batch=0 must be positive"),
    ("patch=-4", "patch=-4 must be positive"),
    ("progressive=[1,2]", r"progressive=\[1, 2\]: entries are \[until_batch, patch, batch\]"),
    ("seed=-1", "seed=-1 must be from 0"),
    ("compile=fast", "compile=fast is unknown: choose one of .*reduce-overhead"),
    ("train.folder.path=x", "no option 'train.folder'; it belongs to data@train=folder: add"),
    ("data@train=pairs train.folder.path=x", "it belongs to data@train=folder: add that"),
    ("data@train=folder train.folder.path=null", "train.folder.path=null: it is required"),
    ("data@train=pairs train.pairs.noisy=x", "clean; give train.pairs.clean=..."),
    (
        "data@train=pairs +train.folder.channels=3 train.pairs.noisy=x train.pairs.clean=x",
        "train.folder has options, but data@train=pairs is chosen: choose data@train=folder",
    ),
    ("data=samples", "choose data@test=..., data@train=..., .*; of 'samples', use 'photographs'"),
    ("data@train=folder train.folder.path=my photos", "quoted: 'train.folder.path=my photos'"),
    ("loss._target_=nopkg.Loss", r"loss: there is no nopkg.Loss here .*plugins=\[path/to/nopkg\]"),
    ("run_dir=/dev/null/run", "/dev/null/run: Not a directory"),
    ("-m attention=swim,mdta", "Could not find 'attention/swim'"),
    ("-m attention.nope=1,2", "no option 'attention.nope'; attention has: bias"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "answer"), TABLE, ids=[line for line, _ in TABLE])
def test_a_mistake_is_answered_in_a_line(command, line, answer, tmp_path):
    with pytest.raises(SystemExit) as exit_:
        command("train", *line.split(" "), "trainer.max_steps=2")
    text = str(exit_.value)
    assert text.startswith("error: ")
    assert "\n" not in text
    assert re.search(answer, text), text
    assert not list(tmp_path.glob("outputs/*/*_sweep"))


@pytest.mark.parametrize(
    ("name", "line", "answer"),
    [
        ("evaluate", "checkpoint=x.ckpt data.folder.path=x", "it belongs to data=folder: add that"),
        ("evaluate", "checkpoint=model.onnx", "model.onnx: is an exported program: give the check"),
        ("restore", "checkpoint=no.ckpt input=x.png output=y.png", "no.ckpt: no such checkpoint"),
        ("export", "checkpoint=model.pt2 output=x", "model.pt2: is an exported program"),
    ],
)
def test_mistakes_of_other_commands(command, name, line, answer, tmp_path):
    for program in ("model.onnx", "model.pt2"):
        (tmp_path / program).write_bytes(b"\x08\x07")
    with pytest.raises(SystemExit, match=answer) as exit_:
        command(name, *line.split())
    assert "\n" not in str(exit_.value)


def test_a_command_line_with_flags_last(command, photos, tmp_path):
    options = ("trainer.max_steps=1", "trainer.val_check_interval=1", "pictures=false")
    command("train", *QUICK, "attention=none", "-m", "seed=0,1", *options, "hydra.sweep.dir=sweep")
    assert len(list(tmp_path.glob("sweep/[01]*/results.json"))) == 2


def memory_error():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**55)
    return error.value


@pytest.mark.parametrize("error", [memory_error(), MemoryError(), torch.OutOfMemoryError("CUDA")])
def test_too_little_memory_is_told_with_what_takes_less(error, monkeypatch, tmp_path):
    if isinstance(error, torch.OutOfMemoryError):
        error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
    assert explain(error, "train", []) == (
        "out of memory: lower batch or patch, or set backbone.checkpointing=true"
    )
    wrapped = InstantiationException("Error in call to target 'x'")
    wrapped.__cause__ = error
    assert "lower memory" in explain(wrapped, "restore", [])

    def load(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch, "load", load)
    (tmp_path / "a.ckpt").write_bytes(b"PK\3\4")
    with pytest.raises(CheckpointError, match=r"a\.ckpt: too little memory to load it"):
        read_weights(tmp_path / "a.ckpt")


def test_a_part_that_does_not_fit_its_options_is_named():
    error = InstantiationException("Error in call to target 'x':\nKeyError()\nfull_key: loss")
    error.__cause__ = KeyError("rate")
    answer = explain(error, "train", [])
    assert answer.startswith("loss: its options do not fit (KeyError: 'rate'); HYDRA_FULL_ERROR=1")
    assert first_line(error) == "'rate'"
