"""Configurations composed outside of a command."""

from denoise.cli.compose import CONFIGS, compose_config, options


def test_commands_compose_by_name():
    assert compose_config("attention=swin").attention.window_size == 8
    assert {"input", "output"} <= set(compose_config(name="restore"))


def test_options_are_the_files_of_a_group():
    assert options("loss") == ["charbonnier", "l1", "mse", "psnr"]
    assert (CONFIGS / "loss" / "l1.yaml").is_file()
    assert options("nothing") == []
