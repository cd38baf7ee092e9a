"""Models of other projects, measured as ours are, from files that may hold weights and no code."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class ExternalModel(nn.Module):
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
                f"{path}: spandrel knows no such model, and it is no checkpoint of train.py or of "
                "Restormer: give one of these"
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
        with path.open("rb") as file:
            start = file.read(4)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, of what is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ValueError(f"{path}: to read it: pip install '.[export]'") from error
    except PermissionError as error:
        raise ValueError(f"{path}: may not be read by you: change its permissions") from error
    except Exception as error:
        told = str(error)
        # torch takes text for a pickle of odd operands
        if "weights_only" in told and (
            start.startswith((b"\x80", b"PK\3\4")) or "Unsupported operand" not in told
        ):
            raise ValueError(
                f"{path}: holds more than weights, and code in a file is never run: ask for the "
                "weights as .safetensors or a plain state dict"
            ) from error
        raise ValueError(
            f"{path}: is no checkpoint or a damaged one: download or train it again"
        ) from error
