"""Optimizers that treat roles of parameters apart."""

from collections.abc import Iterable
from typing import Any

import pytorch_optimizer


def muon(
    groups: Iterable[dict[str, Any]],
    lr: float = 4e-3,
    *,
    adamw_lr: float = 2e-3,
    momentum: float = 0.95,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 1e-4,
) -> pytorch_optimizer.Muon:
    """Build Muon for hidden weights and AdamW for all others (Jordan et al. 2024).

    https://kellerjordan.github.io/posts/muon; updates are scaled by the shape of the weight as in
    Moonlight (Liu et al. 2025, arXiv 2502.16982), so that `lr` is of AdamW's order.

    Args:
        groups: Groups of `denoise.training.parameter_groups`.
        lr: Learning rate of hidden weights.
        adamw_lr: Learning rate of the others.
        momentum: Momentum of hidden weights.
        betas: Decay rates of AdamW's moments.
        weight_decay: Weight decay of all but vectors.
    """
    prepared = []
    for group in groups:
        hidden = group["role"] == "hidden"
        own = {"momentum": momentum} if hidden else {"betas": tuple(betas)}
        rate = lr if hidden else adamw_lr
        defaults = {"use_muon": hidden, "lr": rate, "weight_decay": weight_decay}
        prepared.append(defaults | own | group)
    return pytorch_optimizer.Muon(prepared, use_adjusted_lr=True)
