"""Learning-rate schedules: the factor on the learning rate at a share of the run."""

import inspect
import math
from typing import Any

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau


def is_scheduler(factory: Any) -> bool:
    """Return whether a factory makes schedulers of torch; others map progress to a factor.

    Raises:
        ValueError: for ReduceLROnPlateau, which waits for a score at each step.
    """
    target = getattr(factory, "func", factory)  # of a partial
    if target is ReduceLROnPlateau:
        raise ValueError(
            "scheduler=ReduceLROnPlateau needs a score after each step: choose another scheduler"
        )
    return inspect.isclass(target) and issubclass(target, LRScheduler)


def warmup_cosine(progress: float, *, warmup: float, floor: float) -> float:
    """Return a linear warm-up, then a half cosine (Loshchilov & Hutter 2017, arXiv 1608.03983).

    Args:
        progress: Share of the run that is done, in [0, 1].
        warmup: Share of the run spent warming up.
        floor: Factor at the end of the run.
    """
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return constant_cosine(progress, constant=warmup, floor=floor)


def constant_cosine(progress: float, *, constant: float, floor: float) -> float:
    """Return 1, then a half cosine: Restormer's schedule (Zamir et al. 2022, arXiv 2111.09881).

    Args:
        progress: Share of the run that is done, in [0, 1].
        constant: Share of the run at the full learning rate.
        floor: Factor at the end of the run.
    """
    if progress <= constant:
        return 1.0
    angle = math.pi * min((progress - constant) / (1 - constant), 1)
    return floor + (1 - floor) * (1 + math.cos(angle)) / 2


def constant_linear(progress: float, *, decay: float) -> float:
    """Return 1, then a line to 0 (Hägele et al. 2024, arXiv 2405.18392).

    Until the decay nothing depends on the length of the run, so a longer run can go on from there.

    Args:
        progress: Share of the run that is done, in [0, 1].
        decay: Share of the run that the decay takes, at its end.
    """
    return min(1.0, (1 - progress) / decay) if decay else 1.0
