"""The device that a command computes on."""

import pytest
import torch

from denoise.cli.device import choose_device


def test_auto_is_what_there_is():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps:7"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(ValueError, match=f"device={name} cannot be used here: choose auto"):
        choose_device(name)
