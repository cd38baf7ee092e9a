"""The name of a run: what its overrides say of the model and its training, in short."""

import re
from collections import Counter
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig

MAX_LENGTH = 100  # of the name, so that paths stay below the limits of file systems
# What a long name keeps.
FIRST = ("attention=", "norm=", "feedforward=", "backbone=", "loss=", "optimizer=", "seed=")
# Options that change where a run reads, writes and computes, not what is trained or measured.
UNNAMED = (
    "hydra", "run_dir", "data_dir", "data@test", "test", "memory_limit", "on_error", "checkpoint",
    "resume", "name", "logger", "pictures", "report", "baseline", "device", "compile",
    "callbacks.checkpoint", "callbacks.last", "callbacks.progress", "callbacks.pictures",
    "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy",
    "trainer.log_every_n_steps", "trainer.val_check_interval", "trainer.profiler",
)  # fmt: skip


def run_name(overrides: Sequence[str], name: str = "") -> str:
    """Return a name such as `attention=swin,norm=dyt,seed=1` that is also a legal folder name.

    Args:
        overrides: as on the command line.
        name: of the experiment; comes first unless it is "default".
    """
    pairs = [override.lstrip("+").partition("=") for override in overrides]
    given = [(key, value) for key, sign, value in pairs if sign and _is_named(key)]
    short = Counter(_short(key) for key, _ in given)
    experiment = [] if name in ("", "default") else [name]
    parts = [_legal(part) for part in experiment]
    for key, value in given:
        if key == "experiment" and value == name:
            continue
        unique = _short(key) if short[_short(key)] == 1 else key
        parts.append(f"{_legal(unique)}={_legal(value)}")
    if not parts:
        return "default"
    kept = list(range(len(parts)))
    by_weight = sorted(kept, key=lambda i: not parts[i].startswith(FIRST))  # stable
    while len(",".join(parts[i] for i in kept)) > MAX_LENGTH and len(kept) > 1:
        kept.remove(by_weight.pop())
    left_out = [f"and_{len(parts) - len(kept)}_more"] if len(kept) < len(parts) else []
    return ",".join([*(parts[i] for i in kept), *left_out])[: MAX_LENGTH + 20]


def _is_named(key: str) -> bool:
    is_path = key.rpartition(".")[2] in ("path", "cache_dir")
    return not is_path and not any(key == one or key.startswith(f"{one}.") for one in UNNAMED)


def _short(key: str) -> str:
    return re.split(r"[.@/]", key)[-1]


def _legal(text: str) -> str:
    """Replace what shells, globs and file systems treat specially."""
    return re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII).strip("-")


def name_of_this_run(name: str = "") -> str:
    """Return the name of the run that Hydra has started; of no run outside Hydra."""
    started = HydraConfig.initialized()
    return run_name(list(HydraConfig.get().overrides.task) if started else [], str(name))
