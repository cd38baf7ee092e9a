"""Every attention alone: its facts, its cost, and how time and memory grow with the image."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from denoise.benchmark.timing import Row, compare
from denoise.evaluation.complexity import macs
from denoise.properties import MixerProperties

DIM, HEADS = 48, 2  # of the mixers that are compared: the top level of the paper's model
FAR = 4096


def properties(mixers: Mapping[str, nn.Module], side: int) -> dict[str, Row]:
    """Lay out what each mixer states of itself beside its parameters and multiply-accumulates.

    Args:
        mixers: by name, of DIM channels.
        side: of the square image that multiply-accumulates are counted for, in pixels.
    """
    rows = {}
    for name, mixer in mixers.items():
        stated = mixer.properties
        count = macs(_WithSigma(mixer), DIM, side)
        rows[name] = {
            "family": stated.family,
            "cost": f"O({stated.complexity})",
            "sees": "image" if stated.receptive_field is None else f"{_radius(stated)} px",
            "shifts by": "-" if stated.shift_period is None else f"{stated.shift_period} px",
            "crop = whole": "no" if stated.receptive_field is None else "yes",
            "flat stays flat": "yes" if stated.preserves_constant else "no",
            "parameters": sum(p.numel() for p in mixer.parameters()),
            f"kMACs a pixel at {side}": count / side**2 / 1e3,
        }
    return rows


def growth(
    mixers: Mapping[str, nn.Module], sides: Iterable[int], rounds: int, seconds: float, mib: float
) -> list[Row]:
    """Time an inference of each mixer on ever larger square images.

    Args:
        mixers: by name, of DIM channels.
        sides: of the images in pixels, ascending.
        rounds: turns of each.
        seconds: a mixer that took longer at one side is left out of the next.
        mib: likewise for its peak memory.
    """
    rows, left = [], dict(mixers)
    for side in sides:
        forms = {name: inference(mixer, image(side)) for name, mixer in left.items()}
        new = compare(forms, rounds=rounds, progress=f"{side} x {side}") if forms else []
        rows += [{"side": side, **row} for row in new]
        # The next side takes 4 times as much at least.
        over = {r["form"] for r in new if r["ms"] > 250 * seconds or r["peak MiB"] > mib / 4}
        left = {name: mixer for name, mixer in left.items() if name not in over}
    return rows


def image(side: int, dim: int = DIM, batch: int = 1) -> Tensor:
    """Make a random feature map, channels last."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, dim, side, side, generator=generator)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return x.to(device, memory_format=torch.channels_last)


def inference(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Make a call that runs a module forward."""
    module.to(x.device)

    def run() -> Tensor:
        with torch.inference_mode():
            return module(x)

    return run


def training(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Make a call that runs a module forward and backward, to its input and its parameters."""
    module.to(x.device)
    x = x.clone().requires_grad_()

    def run() -> None:
        module.zero_grad()
        x.grad = None
        module(x).sum().backward()

    return run


class TorchvisionSwin(nn.Module):
    """Torchvision's shifted windows, with the weights of ours.

    Args:
        ours: a mixer of `attention=swin`.
        shift: of its windows in pixels.
    """

    def __init__(self, ours: nn.Module, shift: int) -> None:
        super().__init__()
        from torchvision.models.swin_transformer import ShiftedWindowAttention

        (dim, *_), heads = ours.proj.weight.shape, ours.num_heads
        self.attention = ShiftedWindowAttention(dim, [ours.window_size] * 2, [shift] * 2, heads)
        weights = {name: p.flatten(1) if p.ndim == 4 else p for name, p in ours.named_parameters()}
        weights["relative_position_bias_table"] = weights.pop("position_bias")
        self.attention.load_state_dict(weights, strict=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        return self.attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _radius(stated: MixerProperties) -> int:
    """Distance to the farthest pixel that is seen, away from borders."""
    receptive_field, middle = stated.receptive_field, FAR // 2
    places = range(middle, middle + receptive_field.alignment)
    visible = [(place, *receptive_field.input_range(place, place, FAR)) for place in places]
    return max(max(place - first, last - place) for place, first, last in visible)


class _WithSigma(nn.Module):
    """Takes a noise level, as a backbone does, and leaves it be."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.mixer(x)
