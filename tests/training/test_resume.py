"""Resuming: the run is found again; what is another run, finished or damaged is not continued."""

import logging
import os

import pytest
import torch
from runs import plain, save

from denoise.training.resume import FinishedRunError, changed_options, find_checkpoint
from denoise.weights.read import CheckpointError


def write(path, resolved, age=0, steps=5):
    save(path, resolved, global_step=steps)
    os.utime(path, (10**9 - age, 10**9 - age))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_to_continue(here):
    assert find_checkpoint(None, plain()) is None
    assert find_checkpoint("auto", plain()) is None


def test_auto_finds_the_newest_of_the_same_run(here):
    mine, other = plain("name=mine"), plain("name=other")
    runs = {
        "multirun/d/t/1": other,
        "outputs/d/t3": plain("name=mine", "attention=swin"),
        "outputs/d/t2": mine,
        "outputs/d/t1": mine,
    }
    for age, (place, resolved) in enumerate(runs.items()):
        write(here / place / "checkpoints" / "last.ckpt", resolved, age)
    assert str(find_checkpoint("auto", mine).path) == "outputs/d/t2/checkpoints/last.ckpt"
    assert str(find_checkpoint("auto", other).path) == "multirun/d/t/1/checkpoints/last.ckpt"


@pytest.mark.parametrize(
    "override",
    ["noise=salt_pepper", "noise.sigma=15", "loss=mse", "optimizer.lr=1e-5", "optimizer=adam",
     "scheduler=constant_cosine", "scheduler.floor=0.5", "seed=1", "trainer.precision=bf16-mixed",
     "batch=2", "patch=32", "data@train=folder", "callbacks=ema", "progressive=[[1,16,4]]",
     "trainer.accumulate_grad_batches=2", "shuffle_channels=false", "freeze=[embed.*]"],
)  # fmt: skip
def test_auto_takes_no_other_run(here, override):
    extra = ("train.folder.path=x",) if override == "data@train=folder" else ()
    write(here / "outputs/a/checkpoints/last.ckpt", plain(override, *extra))
    assert find_checkpoint("auto", plain()) is None


@pytest.mark.parametrize(
    "override",
    ["trainer.max_steps=9", "trainer.max_time=00:01:00:00", "logger=csv", "pictures=false",
     "trainer.val_check_interval=7", "run_dir=elsewhere", "baseline=nlm",
     "callbacks.pictures.count=1"],
)  # fmt: skip
def test_a_run_may_change_its_length_and_outputs(here, override):
    write(here / "outputs/a/checkpoints/last.ckpt", plain())
    found = find_checkpoint("auto", plain(override))
    assert (str(found.path), found.changes) == ("outputs/a/checkpoints/last.ckpt", [])


def test_the_own_folder_is_looked_at_first_by_age(here):
    write(here / "mine/checkpoints/last.ckpt", plain())
    assert find_checkpoint("auto", plain("run_dir=mine")).path.parts[0] == "mine"


def test_other_runs_of_the_own_sweep_are_left_alone(here):
    sweep = here / "outputs/d/t_sweep"
    write(sweep / "0_seed=0" / "checkpoints" / "last.ckpt", plain())
    assert find_checkpoint("auto", plain(), sweep) is None
    assert find_checkpoint("auto", plain(), here / "outputs/d/another_sweep") is not None


@pytest.mark.parametrize("contents", [b"", b"hello", "whole[:2000]", "foreign", "nameless", "odd"])
def test_auto_passes_over_what_is_damaged(here, caplog, contents):
    folder = here / "outputs/a/checkpoints"
    write(folder / "best.ckpt", plain(), steps=3)
    last = folder / "last.ckpt"
    write(last, plain())
    if contents == "whole[:2000]":
        last.write_bytes(last.read_bytes()[:2000])
    elif isinstance(contents, bytes):
        last.write_bytes(contents)
    else:
        config = {"foreign": None, "nameless": {}, "odd": {"backbone": 3, "trainer": []}}[contents]
        torch.save({"state_dict": {}} | ({} if config is None else {"config": config}), last)
    write(here / "outputs/older/checkpoints/last.ckpt", plain(), age=50)
    with caplog.at_level(logging.WARNING):
        found = find_checkpoint("auto", plain())
    assert (found.path.name, found.steps) == ("best.ckpt", 3)
    assert contents in ("nameless", "odd") or "resume=auto passes over" in caplog.text


def test_a_finished_run_is_not_continued(here):
    write(here / "outputs/a/checkpoints/last.ckpt", plain("trainer.max_steps=5"))
    assert find_checkpoint("auto", plain("trainer.max_steps=5")).steps == 5  # not scored yet
    (here / "outputs/a/results.json").write_text("{}")
    for resume in ("auto", "outputs/a/checkpoints/last.ckpt"):
        with pytest.raises(FinishedRunError, match=r"finished after 5 steps.*raise trainer\.max_s"):
            find_checkpoint(resume, plain("trainer.max_steps=5"))
    assert find_checkpoint("auto", plain("trainer.max_steps=6")).steps == 5


def test_a_run_by_time_is_finished_when_that_is_spent(here):
    save(
        here / "outputs/a/checkpoints/last.ckpt", plain(), global_step=7,
        callbacks={"Timer": {"time_elapsed": {"train": 180.0}}},
    )  # fmt: skip
    (here / "outputs/a/results.json").write_text("{}")
    with pytest.raises(FinishedRunError, match=r"raise trainer\.max_time"):
        find_checkpoint("auto", plain())
    assert find_checkpoint("auto", plain("trainer.max_time=00:00:04:00")).steps == 7


def test_a_path_may_change_options_and_says_which(here):
    write(here / "a.ckpt", plain())
    found = find_checkpoint("a.ckpt", plain("optimizer.lr=1e-5", "noise.sigma=[0,50]"))
    assert found.changes == ["noise.sigma 25 -> [0, 50]", "optimizer.lr 0.002 -> 1e-05"]
    assert changed_options(plain(), plain("trainer.max_steps=3")) == []


def test_a_path_may_not_change_the_network_or_the_optimizer(here):
    write(here / "a.ckpt", plain())
    with pytest.raises(CheckpointError, match=r"trained with another backbone.*init="):
        find_checkpoint("a.ckpt", plain("norm=dyt"))
    with pytest.raises(CheckpointError, match=r"trained with the optimizer torch\.optim\.AdamW"):
        find_checkpoint("a.ckpt", plain("optimizer=adam"))
