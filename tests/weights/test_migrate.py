"""Checkpoints of 0.1 load: moved targets, renamed options."""

import importlib
import inspect

import pytest
import torch
from runs import plain, save

from denoise.weights.load import load_checkpoint, load_model
from denoise.weights.migrate import (
    ADDED_OPTIONS,
    DROPPED_OPTIONS,
    MOVED_TARGETS,
    RENAMED_OPTIONS,
    migrate,
)


def part(target):
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("old", MOVED_TARGETS)
def test_a_moved_target_exists_under_its_new_name_alone(old):
    assert callable(part(MOVED_TARGETS[old]))
    with pytest.raises((ImportError, AttributeError)):
        part(old)


@pytest.mark.parametrize("target", [*RENAMED_OPTIONS, *DROPPED_OPTIONS])
def test_renamed_and_dropped_options_are_those_of_the_target(target):
    options = inspect.signature(part(target)).parameters
    renamed = RENAMED_OPTIONS.get(target, {})
    assert set(renamed.values()) <= set(options)
    assert not {*renamed, *DROPPED_OPTIONS.get(target, ())} & set(options)


@pytest.mark.parametrize("target", ADDED_OPTIONS)
def test_added_options_are_those_of_the_target_and_no_longer_its_defaults(target):
    options = inspect.signature(part(target)).parameters
    for name, value in ADDED_OPTIONS[target].items():
        assert options[name].default != value


def test_a_checkpoint_without_an_added_option_gives_the_same_model(tmp_path):
    resolved = plain("attention=cbam", "attention.projection=false")
    net = save(tmp_path / "new.ckpt", resolved)
    del resolved["backbone"]["attention"]["projection"]
    checkpoint = torch.load(tmp_path / "new.ckpt", weights_only=True)
    torch.save(checkpoint | {"config": resolved}, tmp_path / "old.ckpt")
    x = torch.rand(1, 3, 9, 11)
    loaded, _ = load_model(tmp_path / "old.ckpt")
    torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=0)


def test_a_config_of_before_becomes_one_of_now():
    before = {
        "noise": {"_target_": "denoise.noise.Correlated", "sigma": 25, "grain": 2.0},
        "levels": [{"_target_": "denoise.attention.unfold.UnfoldAttention", "literal": True}],
        "norm": {"_target_": "denoise.norm.DyT", "alpha": 8.0, "init": "paper"},
        "name": "literal",
    }
    assert migrate(before) == {
        "noise": {
            "_target_": "denoise.noise.synthetic.Correlated",
            "sigma": 25,
            "correlation_sigma": 2.0,
        },
        "levels": [{"_target_": "denoise.attention.unfold.UnfoldAttention", "naive": True}],
        "norm": {"_target_": "denoise.norm.DyT", "alpha": 8.0},
        "name": "literal",
    }


def test_a_config_of_now_stays():
    assert migrate(plain("attention=unfold", "norm=dyt")) == plain("attention=unfold", "norm=dyt")


def test_a_checkpoint_of_before_gives_the_same_model(tmp_path):
    resolved = plain("attention=unfold", "norm=dyt")
    net = save(tmp_path / "new.ckpt", resolved)
    options = resolved["backbone"]["attention"]
    options["literal"] = options.pop("naive")
    resolved["backbone"]["norm"]["init"] = "layernorm"
    checkpoint = torch.load(tmp_path / "new.ckpt", weights_only=True)
    torch.save(checkpoint | {"config": resolved}, tmp_path / "old.ckpt")
    loaded, config = load_model(tmp_path / "old.ckpt")
    assert config["backbone"] == plain("attention=unfold", "norm=dyt")["backbone"]
    assert load_checkpoint(tmp_path / "old.ckpt")["config"] == config
    x = torch.rand(1, 3, 9, 11)
    torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=0)
