"""Checks of a training run's options, before anything of it is built."""

import re
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.accelerators import AcceleratorRegistry, CUDAAccelerator, MPSAccelerator

from denoise.option_checks import check_choice, check_positive

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "32")


def check_options(config: Mapping[str, Any]) -> None:
    """Check the options of a training run that only fail inside Lightning or torch.

    Args:
        config: of the run, in plain containers.

    Raises:
        ValueError: naming the option, its value and the remedy.
    """
    for name in ("train", "val", "test"):
        _check_sets(name, config.get(name))
    check_positive(batch=config["batch"], patch=config["patch"])
    if not 0 <= config["seed"] < 2**32:
        raise ValueError(f"seed={config['seed']} must be from 0 to {2**32 - 1}")
    if isinstance(config["compile"], str):
        import torch._inductor

        check_choice(torch._inductor.list_mode_options(), compile=config["compile"])
    _check_trainer(config["trainer"])


def _check_sets(name: str, sets: Mapping[str, Any] | None) -> None:
    if not sets:
        raise ValueError(
            f"data@{name}=[] chooses no images: give a set, such as data@{name}=folder"
        )
    for option, chosen in sets.items():
        if "_target_" not in chosen:
            others = [other for other in sets if other != option]
            raise ValueError(
                f"{name}.{option} has options, but data@{name}={','.join(others)} is chosen: "
                f"choose data@{name}={option}, or leave {name}.{option} out"
            )


def _check_trainer(trainer: Mapping[str, Any]) -> None:
    check_choice(PRECISIONS, **{"trainer.precision": str(trainer["precision"])})
    accelerator, time = trainer["accelerator"], trainer["max_time"]
    if not _is_available(accelerator):
        raise ValueError(f"trainer.accelerator={accelerator} is not here: choose auto or cpu")
    if isinstance(time, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", time.strip()):
        raise ValueError(
            f"trainer.max_time={time} is not a time: write days:hours:minutes:seconds, as "
            "00:00:10:00 for ten minutes"
        )
    if trainer["max_steps"] is None or trainer["max_steps"] == 0 or trainer["max_steps"] < -1:
        raise ValueError(
            f"trainer.max_steps={trainer['max_steps']} trains nothing: give a number of steps, or "
            "-1 with trainer.max_time"
        )
    if trainer.get("limit_val_batches", 1) == 0:
        raise ValueError(
            "trainer.limit_val_batches=0 leaves no validation, which writes the checkpoints: leave "
            "it out, or give data@val a small set"
        )
    interval = trainer["val_check_interval"]
    if isinstance(interval, float):
        raise ValueError(
            f"trainer.val_check_interval={interval} is not a number of steps: batches are endless, "
            "so give one such as 250"
        )


def _is_available(accelerator: Any) -> bool:
    """Return whether there is such an accelerator here; names that are unknown are Lightning's."""
    if accelerator == "gpu":
        return CUDAAccelerator.is_available() or MPSAccelerator.is_available()
    known = AcceleratorRegistry.available_accelerators()
    return (
        accelerator not in known or AcceleratorRegistry[accelerator]["accelerator"].is_available()
    )
