"""Configurations composed outside of a command."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.version import getbase

import denoise
from denoise.cli.compose import CONFIGS, compose_config, options


def test_commands_compose_by_name():
    assert compose_config("attention=swin").attention.window_size == 8
    assert {"input", "output"} <= set(compose_config(name="restore"))


def test_options_are_the_files_of_a_group():
    assert options("loss") == ["charbonnier", "l1", "mse", "psnr"]
    assert (CONFIGS / "loss" / "l1.yaml").is_file()
    assert options("nothing") == []


def test_another_application_of_hydra_is_neither_used_nor_ended(tmp_path):
    (tmp_path / "train.yaml").write_text("learning_rate: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        assert denoise.build(channels=1)(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 8, 8)
        with pytest.raises(ValueError, match="attention has: window_size"):
            denoise.build(attention="swin", **{"attention.nothing": 1})
        assert compose("train", ["learning_rate=2"]) == {"learning_rate": 2}
        assert str(getbase()) == "1.2"


def test_configs_of_a_running_command_are_found():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        assert compose_config("attention=none", name="train") == compose(
            "train", ["attention=none"]
        )
