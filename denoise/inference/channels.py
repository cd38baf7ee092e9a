"""Grey images through colour models, and colour images through grey models."""

from torch import Tensor


def to_model_channels(images: Tensor, channels: int) -> Tensor:
    """Return images as a model of `channels` channels takes them.

    A grey image is repeated for a colour model; each channel of a colour image is an image of its
    own for a grey model.

    Args:
        images: (B, C, H, W).
        channels: of the model's input.

    Raises:
        ValueError: if neither the images nor the model are grey, and their channels differ.
    """
    B, C, H, W = images.shape
    if channels == C:
        return images
    if C == 1:
        return images.expand(B, channels, H, W)
    if channels != 1 or C != 3:
        raise ValueError(f"an image of {C} channels, but the model takes 1 or {max(channels, 3)}")
    return images.reshape(B * C, 1, H, W)


def to_image_channels(restored: Tensor, channels: int) -> Tensor:
    """Undo `to_model_channels` on the output of a model.

    Args:
        restored: output of the model; its channels are averaged for grey images.
        channels: of the images.
    """
    if restored.shape[1] == channels:
        return restored
    if channels == 1:
        return restored.mean(1, keepdim=True)
    return restored.reshape(-1, channels, *restored.shape[2:])
