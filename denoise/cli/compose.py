"""Configurations composed as the command line does it."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

# Inside the package where it is installed, beside it in a checkout.
CONFIGS = next(
    path for path in (Path(__file__).parents[n] / "configs" for n in (1, 2)) if path.is_dir()
)


def compose_config(*overrides: str, name: str = "train") -> DictConfig:
    """Compose the configuration of a command.

    Args:
        overrides: as on the command line, such as `attention=swin`.
        name: of the command.
    """
    if GlobalHydra.instance().is_initialized():  # within a command that `hydra_main` runs
        return compose(name, list(overrides))
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name, list(overrides))


def options(group: str) -> list[str]:
    """List the options of a config group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
