"""Models of other projects, measured as ours are."""

from pathlib import Path

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
        if not Path(path).is_file():
            raise ValueError(f"{path}: no such checkpoint")
        try:
            self.descriptor = spandrel.ModelLoader(device="cpu").load_from_file(path)
        except Exception as error:
            raise ValueError(f"{path}: spandrel knows no such model: {error}") from error
        if not isinstance(self.descriptor, spandrel.ImageModelDescriptor) or (
            self.descriptor.scale != 1
        ):
            raise ValueError(f"{path}: {self.descriptor.architecture.name} is no denoiser")
        self.net = self.descriptor.model  # so that device and parameters follow
        self.channels = self.descriptor.input_channels

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Restore (B, C, H, W); sigma is not asked for."""
        return self.descriptor(noisy)
