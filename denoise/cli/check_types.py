"""Check that overrides have the types of their defaults."""

from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from denoise.cli.compose import compose_config

# Options that are true, false or one of these.
NAMES = {"backbone.sigma_map": ("signal",)}


def check_types(config: DictConfig, command: str) -> None:
    """Refuse text where the default is a number, and anything but true and false for a boolean.

    Raises:
        ValueError: for an override of another type than its default.
    """
    groups_chosen = HydraConfig.get().runtime.choices
    overrides = [o for o in HydraConfig.get().overrides.task if o[0] not in "+~"]
    groups = [o for o in overrides if o.partition("=")[0] in groups_chosen]
    defaults = compose_config(*groups, name=command)
    for key in (o.partition("=")[0] for o in overrides if o not in groups):
        default, value = (OmegaConf.select(c, key) for c in (defaults, config))
        if value is None and OmegaConf.is_missing(*_parent_of(defaults, key)):
            raise ValueError(f"{key}=null: it is required, give a value")
        values = value if OmegaConf.is_list(value) else [value]
        names = NAMES.get(key, ())
        if isinstance(default, bool) and not isinstance(value, bool) and value not in names:
            others = "".join(f", nor {name}" for name in names)
            raise ValueError(f"{key}={value} is neither true nor false{others}")
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if type(default) in (int, float) and not numbers and value is not None:
            raise ValueError(f"{key}={value} is not a number")


def _parent_of(config: DictConfig, key: str) -> tuple[Any, str]:
    """Return the node that holds an option, and the option's name in it."""
    parent, _, name = key.rpartition(".")
    return OmegaConf.select(config, parent) if parent else config, name
