"""Configs of checkpoints that earlier releases wrote, in the names of this one."""

from collections.abc import Mapping
from typing import Any

NOISES = (
    "Gaussian",
    "Poisson",
    "PoissonGaussian",
    "Speckle",
    "SaltPepper",
    "Jpeg",
    "Correlated",
)
SCHEDULERS = ("warmup_cosine", "constant_cosine")

# Target of 0.1: target of 0.2.
MOVED_TARGETS = {
    **{f"denoise.noise.{name}": f"denoise.noise.synthetic.{name}" for name in NOISES},
    **{f"denoise.training.schedule.{n}": f"denoise.training.learning_rate.{n}" for n in SCHEDULERS},
}
# Target of 0.2: option of 0.1 and its name in 0.2.
RENAMED_OPTIONS: dict[str, dict[str, str]] = {
    "denoise.attention.unfold.UnfoldAttention": {"literal": "naive"},
    "denoise.noise.synthetic.Correlated": {"grain": "correlation_sigma"},
}
# Target of 0.2: options of 0.1 that only set the first weights, which a checkpoint overwrites;
# `init` was removed because it ruined training, see LOG.md.
DROPPED_OPTIONS = {"denoise.norm.DyT": {"init"}, "denoise.norm.Derf": {"init"}}

# Target of 0.2: options that 0.1 did not have, and the values with which it is what it was.
ADDED_OPTIONS: dict[str, dict[str, Any]] = {
    "denoise.attention.cbam.CBAM": {"projection": False},
    "denoise.attention.dual.Dual": {"norm": None},
    "denoise.backbone.restormer.Restormer": {"block_index": "restarted"},
}


def migrate(node: Any) -> Any:
    """Return a plain config with the targets and options of 0.1 in the names of 0.2."""
    if isinstance(node, list | tuple):
        return [migrate(value) for value in node]
    if not isinstance(node, Mapping):
        return node
    target = node.get("_target_")
    if not isinstance(target, str):
        return {key: migrate(value) for key, value in node.items()}
    target = MOVED_TARGETS.get(target, target)
    renamed, dropped = RENAMED_OPTIONS.get(target, {}), DROPPED_OPTIONS.get(target, set())
    options = {renamed.get(k, k): migrate(v) for k, v in node.items() if k not in dropped}
    return ADDED_OPTIONS.get(target, {}) | options | {"_target_": target}
