"""The width of the feed-forward network that gives every arm the same size."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import nn

from denoise.evaluation.complexity import macs
from denoise.study.declaration import Study
from denoise.study.runs import Overrides

OPTION = "feedforward.expansion"
MIN_EXPANSION = 0.5  # of a network that still has a feed-forward branch worth the name
MACS_SIDE = 128  # pixels: MACs are compared at this size

Build = Callable[[Sequence[str]], nn.Module]  # the network of a training with overrides


class Size(NamedTuple):
    """The size of an arm's network, and the overrides that give it.

    Attributes:
        parameters: Number of parameters.
        expansion: Of the feed-forward network; None where it is the default.
        deviation: Relative difference of the equalised quantity from the reference.
        overrides: Of denoise train.
    """

    parameters: int
    expansion: float | None
    deviation: float
    overrides: Overrides


def equalise(study: Study, build: Build, dim: int) -> dict[str, Size]:
    """Return the size of every arm.

    An arm whose mixer alone is larger than the reference gets the smallest feed-forward network;
    its deviation then says by how much it is off.

    Args:
        study: What is compared.
        build: Builds a network from overrides.
        dim: Channels of the top level: widths are whole at multiples of 1 / dim.
    """
    measure: Mapping[str, Callable[[nn.Module], int]] = {
        "parameters": _parameters, "macs": lambda net: macs(net, 3, MACS_SIDE),
        "nothing": _parameters,
    }  # fmt: skip
    size = measure[study.equalise]
    target = size(build((*study.base, *study.reference)))
    sizes = {}
    for arm in study.arms:
        common = (*study.base, *arm.overrides)
        if study.equalise == "nothing":
            count = size(build(common))
            sizes[arm.name] = Size(count, None, count / target - 1, ())
            continue

        def at(width: int, common: Overrides = common) -> int:
            return size(build((*common, _option(width, dim))))

        width = _fit(at, target, round(MIN_EXPANSION * dim), dim)
        overrides = (_option(width, dim),)
        net = build((*common, *overrides))
        sizes[arm.name] = Size(_parameters(net), width / dim, size(net) / target - 1, overrides)
    return sizes


def _option(width: int, dim: int) -> str:
    return f"{OPTION}={width / dim:g}"


def _fit(at: Callable[[int], int], target: int, least: int, dim: int) -> int:
    """Return the hidden width at the top level, from `least`, whose size is next to the target."""
    low, high = at(least), at(least + 4 * dim)
    slope = max((high - low) / (4 * dim), 1e-9)  # size is a line in the width
    return max(least, least + round((target - low) / slope))


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())
