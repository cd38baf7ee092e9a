"""Models of other projects, measured as ours are, from files that may hold weights and no code."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Peer(nn.Module):
    """An image-to-image model that spandrel recognises by its weights.

    Args:
        path: file of weights, as the model's authors publish it.

    Raises:
        ValueError: where spandrel is not installed or does not know the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        try:
            import spandrel
        except ImportError as error:
            raise ValueError(
                f"{path}: no checkpoint of train.py; for other models: pip install '.[peers]'"
            ) from error
        contents = read_weights(path)
        try:
            # Not by its load_from_file: of a .pt file that runs the TorchScript inside.
            state = spandrel.canonicalize_state_dict(contents)
            self.descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(state)
        except Exception as error:
            raise ValueError(
                f"{path}: spandrel knows no such model: {first_line(error)}"
            ) from error
        if not isinstance(self.descriptor, spandrel.ImageModelDescriptor) or (
            self.descriptor.scale != 1
        ):
            raise ValueError(f"{path}: {self.descriptor.architecture.name} is no denoiser")
        self.net = self.descriptor.model  # so that device and parameters follow
        self.channels = self.descriptor.input_channels
        self.out_channels = self.descriptor.output_channels

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Restore (B, C, H, W); sigma is not asked for."""
        return self.descriptor(noisy)


def read_weights(path: str | Path) -> Any:
    """Read what a file of weights holds without executing anything in it.

    Args:
        path: of torch.save, or .safetensors.

    Raises:
        ValueError: where the file is missing, broken or holds more than plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint; give the path of a file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ValueError(f"{path}: to read it: pip install '.[export]'") from error
    except Exception as error:
        raise ValueError(
            f"{path}: cannot be read as plain weights ({first_line(error)}); "
            "code in a file is never run: give one that holds tensors alone"
        ) from error


def first_line(error: Exception) -> str:
    """Give the first line of an error's message, its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
