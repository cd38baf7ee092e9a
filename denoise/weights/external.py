"""Models of other projects, loaded through spandrel and evaluated like those trained here."""

from pathlib import Path

from torch import Tensor, nn

from denoise.weights.read import CheckpointError, read_weights


class ExternalModel(nn.Module):
    """An image-to-image model of another project that spandrel recognises by its weights.

    Args:
        path: weights file as the model's authors publish it.

    Raises:
        CheckpointError: if spandrel is not installed or does not recognise the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        try:
            import spandrel
        except ImportError as error:
            raise CheckpointError(
                f"{path}: not a checkpoint of denoise train; for other models: "
                "pip install 'denoise[external]'"
            ) from error
        contents = read_weights(path)
        try:
            # Not by its load_from_file: of a .pt file that runs the TorchScript inside.
            state = spandrel.canonicalize_state_dict(contents)
            descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(state)
        except Exception as error:
            raise CheckpointError(
                f"{path}: not recognised by spandrel, and not a checkpoint of denoise train or of "
                "Restormer: give one of these"
            ) from error
        if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.scale != 1:
            raise CheckpointError(f"{path}: {descriptor.architecture.name} is not a denoiser")
        self.descriptor = descriptor
        self.net = descriptor.model  # registered, so that device and parameters follow
        self.channels: int = descriptor.input_channels
        self.out_channels: int = descriptor.output_channels

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Restore (B, C, H, W); sigma is ignored."""
        restored = self.descriptor(noisy)
        assert isinstance(restored, Tensor)
        return restored
