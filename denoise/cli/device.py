"""The device that a command runs on."""

import torch


def choose_device(name: str) -> torch.device:
    """Return the device of a name; auto is the GPU where there is one.

    Raises:
        ValueError: for a device that cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        choices = "auto, cpu or cuda" if torch.cuda.is_available() else "auto or cpu"
        raise ValueError(f"device={name} cannot be used here: choose {choices}") from error
