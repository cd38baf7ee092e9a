"""The plan of a study: its arms with their sizes, the time of a step of each, and the hours."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from denoise.study.declaration import Study
from denoise.study.equalise import Size

TIMED = 3  # steps, after one that warms up
Row = dict[str, Any]


def time_step(net: nn.Module, channels: int, batch: int, patch: int) -> float:
    """Return the seconds of a training step without its optimizer, the median of three.

    Args:
        net: Maps noisy (B, C, H, W) and sigma (B,) to restored.
        channels: Channels of the image.
        batch: Crops a step.
        patch: Side of a crop in pixels.
    """
    noisy, sigma = torch.rand(batch, channels, patch, patch), torch.full((batch,), 25.0)
    times = []
    for _ in range(TIMED + 1):
        begun = time.perf_counter()
        net(noisy, sigma).square().mean().backward()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def plan_rows(
    study: Study, sizes: Mapping[str, Size], seconds: Callable[[str], float]
) -> list[Row]:
    """Return a row an arm: its size, the time of a step, and the hours of a run of each rung.

    Args:
        study: What is planned.
        sizes: Of the arms, by name.
        seconds: Seconds of a step of an arm.
    """
    rows = []
    for arm in study.arms:
        size, step = sizes[arm.name], seconds(arm.name)
        row: Row = {
            "arm": arm.name + (" (control)" if study.is_control(arm) else ""),
            "overrides": " ".join(arm.overrides),
            "expansion": "" if size.expansion is None else f"{size.expansion:g}",
            "parameters": f"{size.parameters:,}",
            "off": f"{size.deviation:+.1%}" + (" !" if exceeds(study, size) else ""),
            "s a step": f"{step:.3f}",
        }
        for rung in study.rungs:
            row[f"{rung.name}, min"] = f"{rung.steps * step / 60:.1f}"
        rows.append(row)
    return rows


def hours(study: Study, seconds: Callable[[str], float]) -> list[Row]:
    """Return a row a rung: its runs, steps, and hours on one worker, scoring not included.

    Rungs after the first are counted with the arms that are dearest on average.
    """
    rows: list[Row] = []
    arms = len(study.arms)
    for number, rung in enumerate(study.rungs):
        controls = sum(study.is_control(arm) for arm in study.arms)
        if number and rung.keep is not None:
            arms = min(arms, controls + rung.keep + 1)
        mean = statistics.fmean(seconds(arm.name) for arm in study.arms)
        runs, steps = arms * len(rung.seeds), 0.0
        for seed in rung.seeds:
            earlier = study.rungs[number - 1] if number else None
            done = 0.8 * earlier.steps if earlier and seed in earlier.seeds else 0
            steps += arms * (rung.steps - done)
        if not number:
            extra = arms * (len(study.rates) - 1)
            runs, steps = runs + extra, steps + extra * rung.steps
        rows.append({
            "rung": rung.name, "arms": arms, "runs": runs, "steps a run": rung.steps,
            "steps": round(steps), "hours": round(steps * mean / 3600, 2),
        })  # fmt: skip
    return rows


def exceeds(study: Study, size: Size) -> bool:
    """Return whether an arm is further from the reference than the study tolerates."""
    return study.equalise != "nothing" and abs(size.deviation) > study.tolerance


def not_equal(study: Study, sizes: Mapping[str, Size]) -> Sequence[str]:
    """Return a sentence for each arm that could not be given the common size."""
    return [
        f"{arm.name} is {sizes[arm.name].deviation:+.1%} off in {study.equalise}: its mixer alone "
        "takes more; it is compared, and the report says so"
        for arm in study.arms
        if exceeds(study, sizes[arm.name])
    ]
