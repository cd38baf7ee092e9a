"""Weights as the authors of Restormer publish them: the config is read from names and shapes."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

STAGES = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")


def is_published(contents: Any) -> bool:
    """Return whether the contents of a file are those of a published Restormer."""
    return {"patch_embed.proj.weight", "encoder_level1.0.attn.temperature"} <= _state(
        contents
    ).keys()


def published_model(contents: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights as named here, and a resolved config that builds their net.

    Args:
        contents: a state dict, by itself or under "params" or "params_ema".

    Raises:
        KeyError: naming the first weight that is missing.
        ValueError: if no expansion of the feed-forward fits all levels.
    """
    state = _state(contents)
    dim, in_channels = state["patch_embed.proj.weight"].shape[:2]
    blocks = [f"{stage}.0." for stage in STAGES]
    bias = blocks[0] + "attn.qkv.bias" in state
    centred = blocks[0] + "norm1.body.bias" in state
    hidden = [state[block + "ffn.project_in.weight"].shape[0] // 2 for block in blocks]
    components: dict[str, dict[str, Any]] = {
        "attention": {"_target_": "denoise.attention.mdta.MDTA", "bias": bias},
        "norm": {"_target_": f"denoise.norm.LayerNorm{'' if centred else 'BiasFree'}"},
        "feedforward": {
            "_target_": "denoise.feedforward.GDFN",
            "expansion": _expansion([dim << level for level in range(4)], hidden),
            "bias": bias,
        },
    }
    backbone = {
        "_target_": "denoise.backbone.restormer.Restormer",
        **{name: component | {"_partial_": True} for name, component in components.items()},
        "in_channels": in_channels,
        "out_channels": state["output.weight"].shape[0],
        "dim": dim,
        "num_blocks": [_length(state, stage) for stage in STAGES],
        "num_heads": [state[block + "attn.temperature"].shape[0] for block in blocks],
        "num_refinement_blocks": _length(state, "refinement"),
        "bias": bias,
        "sigma_map": False,
    }
    config = {"name": "restormer", "channels": in_channels, "backbone": backbone}
    return from_official(state), config


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a published 4-level Restormer state dict with the names of the backbone here."""
    renames: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"^patch_embed\.proj\.", "embed."),
        (r"^(en|de)coder_level(\d)\.", lambda m: f"{m[1]}coder.{int(m[2]) - 1}."),
        (r"^latent\.", "encoder.3."),
        (r"^down(\d)_\d\.body\.", lambda m: f"down.{int(m[1]) - 1}."),
        (r"^up\d_(\d)\.body\.", lambda m: f"up.{int(m[1]) - 1}."),
        (r"^reduce_chan_level(\d)\.", lambda m: f"reduce.{int(m[1]) - 1}."),
        (r"\.norm(\d)\.body\.", r".norm\1."),
        (r"\.attn\.", ".mixer."),
        (r"\.ffn\.", ".feedforward."),
    ]
    renamed = {}
    for name, value in state.items():
        for pattern, new in renames:
            name = re.sub(pattern, new, name)
        renamed[name] = value
    return renamed


def _state(contents: Any) -> dict[str, Any]:
    """Return the state dict without the prefix that training on several devices leaves."""
    for key in ("params_ema", "params", "state_dict"):
        if isinstance(contents, Mapping) and isinstance(contents.get(key), Mapping):
            contents = contents[key]
    if not isinstance(contents, Mapping):
        return {}
    return {str(name).removeprefix("module."): value for name, value in contents.items()}


def _length(state: Mapping[str, Tensor], stage: str) -> int:
    """Return the number of blocks of a stage."""
    return len({found[1] for name in state if (found := re.match(rf"{stage}\.(\d+)\.", name))})


def _expansion(widths: list[int], hidden: list[int]) -> float:
    """Return the shortest factor of the widths that gives these hidden widths, rounded down."""
    low = max(h / width for h, width in zip(hidden, widths, strict=True))
    high = min((h + 1) / width for h, width in zip(hidden, widths, strict=True))
    for digits in range(1, 12):
        for middle in ((low + high) / 2, low, high):
            factor = round(middle, digits)
            if [int(width * factor) for width in widths] == hidden:
                return factor
    raise ValueError(f"no expansion makes {hidden} hidden channels of {widths}")
