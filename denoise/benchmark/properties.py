"""The properties that every attention states, with its parameters, cost and speed."""

from collections.abc import Mapping

from torch import Tensor, nn

from denoise.benchmark.calls import DIM, Factory
from denoise.benchmark.scaling import scale
from denoise.benchmark.timing import Row
from denoise.evaluation.complexity import macs
from denoise.properties import Mixer
from denoise.receptive_field import ReceptiveField

FAR = 4096  # side in pixels of an image whose middle depends on no border
SIDES = (64, 128, 256)


def properties(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Tabulate the properties of every mixer, with time and memory of an inference.

    Args:
        make: builds the mixers.
        rounds: timings of each at each size.
    """
    mixers = make.mixers()
    table = stated_properties(mixers, SIDES[-1])
    for row in scale(mixers, SIDES, rounds, seconds=60, mib=4096):
        table[row["variant"]][f"ms at {row['side']}"] = row["ms"]
        table[row["variant"]][f"MiB at {row['side']}"] = row["peak MiB"]
    rows = [{"attention": name, **row} for name, row in table.items()]
    return {f"{DIM} channels, float32": rows}


def stated_properties(mixers: Mapping[str, Mixer], side: int) -> dict[str, Row]:
    """Tabulate the properties, parameters and multiply-accumulates of each mixer.

    Args:
        mixers: by name, of DIM channels.
        side: of the square image that multiply-accumulates are counted for, in pixels.
    """
    rows = {}
    for name, mixer in mixers.items():
        stated = mixer.properties
        field = stated.receptive_field
        count = macs(_WithSigma(mixer), DIM, side)
        rows[name] = {
            "family": stated.family,
            "complexity": f"O({stated.complexity})",
            "receptive field": "image" if field is None else f"{_radius(field)} px",
            "shift period": "-" if stated.shift_period is None else f"{stated.shift_period} px",
            "tile-exact": "no" if field is None else "yes",
            "preserves constants": "yes" if stated.preserves_constant else "no",
            "parameters": sum(p.numel() for p in mixer.parameters()),
            f"kMACs a pixel at {side}": count / side**2 / 1e3,
        }
    return rows


def _radius(receptive_field: ReceptiveField) -> int:
    """Return the distance to the farthest pixel of the receptive field, away from borders."""
    middle = FAR // 2
    pixels = range(middle, middle + receptive_field.alignment)
    visible = [(pixel, *receptive_field.input_range(pixel, pixel, FAR)) for pixel in pixels]
    return max(max(pixel - first, last - pixel) for pixel, first, last in visible)


class _WithSigma(nn.Module):
    """Takes a noise level, as a backbone does, and ignores it."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.mixer(x)
