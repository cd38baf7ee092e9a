"""The public API: load a trained model, build a new one, list the options."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from denoise.cli.compose import CONFIGS, compose_config
from denoise.cli.compose import options as list_options
from denoise.cli.errors import explain
from denoise.errors import first_line
from denoise.image_io.value_range import Bounds, bounds_of, parse_range
from denoise.inference.channels import to_image_channels, to_model_channels
from denoise.noise.estimation import model_sigma
from denoise.option_checks import check_choice
from denoise.plugins import trust
from denoise.weights.load import open_model

Image = TypeVar("Image", np.ndarray, Tensor)
INTEGERS = (torch.uint8, torch.uint16)


class DenoisingModel:
    """A trained network that is called with images.

    Args:
        net: maps noisy (B, C, H, W) in [0, 1] and sigma (B,) to restored.
        config: resolved config of the checkpoint; holds in_channels and sigma_map under "backbone".
    """

    def __init__(self, net: nn.Module, config: dict[str, Any]) -> None:
        self.net, self.config = net, config
        self.channels: int = config["backbone"]["in_channels"]
        self.needs_sigma = bool(config["backbone"]["sigma_map"])
        self.range = parse_range(config.get("range", "auto"))

    @torch.no_grad()
    def __call__(self, noisy: Image, sigma: float | None = None) -> Image:
        """Restore one image or a batch, without gradients.

        A grey image passes through a colour model repeated, a colour image through a grey model
        channel by channel.

        Args:
            noisy: array (H, W) or (H, W, C), tensor (C, H, W) or (B, C, H, W); uint8, uint16, or
                floating in [0, 1]; of a model that was trained on a declared range of values, also
                int16, and all in that range.
            sigma: standard deviation of the noise in grey levels, 255 of which are the range, for
                models that take it; None estimates it in each image.

        Returns:
            The restored image: type, shape and dtype of `noisy`, and for a tensor its device.

        Raises:
            ValueError: if the type, shape, dtype, channels or sigma do not fit.
        """
        if not isinstance(noisy, (np.ndarray, Tensor)):
            raise ValueError(
                f"{type(noisy).__name__} is not an image: give a NumPy array or a tensor"
            )
        if 0 in noisy.shape:
            raise ValueError(f"image of shape {tuple(noisy.shape)} is empty")
        if isinstance(noisy, np.ndarray):
            if noisy.ndim not in (2, 3):
                raise ValueError(f"array of shape {noisy.shape}: give (H, W) or (H, W, C)")
            # A copy: arrays of Pillow are read-only, which torch warns of.
            pixels = torch.from_numpy(np.array(noisy, order="C").reshape(*noisy.shape[:2], -1))
            restored = self._restore(pixels.permute(2, 0, 1)[None], sigma)
            return restored[0].permute(1, 2, 0).reshape(noisy.shape).numpy()
        if noisy.ndim not in (3, 4):
            raise ValueError(
                f"tensor of shape {tuple(noisy.shape)}: give (C, H, W) or (B, C, H, W)"
            )
        return self._restore(noisy.reshape(-1, *noisy.shape[-3:]), sigma).reshape(noisy.shape)

    def _restore(self, noisy: Tensor, sigma: float | None) -> Tensor:
        """Restore (B, C, H, W) of any dtype."""
        accepted = noisy.dtype in INTEGERS or noisy.is_floating_point()
        if not accepted and (self.range == "auto" or noisy.dtype != torch.int16):
            raise ValueError(f"image of {noisy.dtype}: give uint8, uint16, or floating in [0, 1]")
        limits = None if noisy.is_floating_point() else torch.iinfo(noisy.dtype)
        if self.range == "auto":
            bounds = Bounds(0.0, limits.max if limits else 1.0)
        else:
            bounds = bounds_of(noisy.cpu().numpy(), self.range)
        weight = next(self.net.parameters(), torch.empty(0))
        images = noisy.to(weight.device).to(weight.dtype)
        images = (images - bounds.low) / (bounds.high - bounds.low)
        inputs = to_model_channels(images, self.channels)
        level = None
        if self.needs_sigma:
            level = model_sigma(images, sigma, self.net)
            level = level.repeat_interleave(len(inputs) // len(images), 0)
        restored = to_image_channels(self.net(inputs, level), noisy.shape[1])
        restored = restored * (bounds.high - bounds.low) + bounds.low
        if limits:
            restored = restored.clamp(limits.min, limits.max).round()
        return restored.to(noisy.device).to(noisy.dtype)


def load(
    path: str | Path, device: str | torch.device = "cpu", plugins: Sequence[str] | str | Path = ()
) -> DenoisingModel:
    """Load a trained model.

    Args:
        path: checkpoint of `denoise train`, exported folder, or weights of a published Restormer or
            of another model that spandrel recognises.
        device: device of the model.
        plugins: packages of your own whose networks you trust, as modules or paths.

    Raises:
        ValueError: if the file is not recognised or not safe to load.
    """
    trust(plugins)
    net, config = open_model(path)
    return DenoisingModel(net.to(device), config)


def options(group: str) -> list[str]:
    """List the options of a config group, such as "attention", "norm" or "noise".

    Raises:
        ValueError: for an unknown group; names the groups.
    """
    check_choice(sorted(p.name for p in CONFIGS.iterdir() if p.is_dir()), group=group)
    return list_options(group)


def build(
    attention: str = "mdta", norm: str = "layernorm", backbone: str = "tiny", **overrides: Any
) -> nn.Module:
    """Build a new network, as `denoise train attention=... norm=... backbone=...` starts from.

    Args:
        attention: one of `options("attention")`.
        norm: one of `options("norm")`.
        backbone: one of `options("backbone")`.
        overrides: further options of the command line, such as `channels=1`, `feedforward="mlp"` or
            `**{"attention.window_size": 4}`.

    Raises:
        ValueError: for an unknown or unsuitable option; names it.
    """
    chosen = {"attention": attention, "norm": norm, "backbone": backbone}
    for group, name in chosen.items():
        check_choice(options(group), **{group: name})
    arguments = [f"{key}={json.dumps(value)}" for key, value in {**chosen, **overrides}.items()]
    try:
        return instantiate(compose_config(*arguments).backbone, _convert_="all")
    except Exception as error:
        known = explain(error, "train", arguments)
        raise ValueError(
            known or f"{' '.join(arguments)}: {first_line(error.__cause__ or error)}"
        ) from error
