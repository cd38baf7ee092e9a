"""Compose configurations as the command line does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf

from denoise.cli.run_name import name_of_this_run

OmegaConf.register_new_resolver("run_name", name_of_this_run, replace=True)
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
    with _own_hydra():
        return compose(name, [*overrides, *search_path()])


def search_path() -> list[str]:
    """Return the option by which the command that runs finds the yamls of its plugins."""
    if not HydraConfig.initialized():
        return []
    return [o for o in HydraConfig.get().overrides.hydra if o.startswith("hydra.searchpath=")]


def insists_on(group: str) -> bool:
    """Return whether the command line chooses an option of a group."""
    return any(o.partition("=")[0] == group for o in HydraConfig.get().overrides.task)


def as_list(value: Any) -> list[Any]:
    """Return the values of an option that takes one or a list."""
    return list(value) if isinstance(value, list) or OmegaConf.is_list(value) else [value]


def options(group: str) -> list[str]:
    """List the options of a config group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Compose in the command that runs, else beside whatever application of Hydra runs."""
    hydra = GlobalHydra.instance().hydra
    if hydra is None:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            yield
    elif any(
        source.provider == "main" and source.path.removeprefix("file://") == str(CONFIGS)
        for source in hydra.config_loader.get_search_path().get_path()
    ):
        yield
    else:
        base = VersionBase.instance().version_base
        GlobalHydra.instance().clear()
        try:
            with _own_hydra():
                yield
        finally:
            GlobalHydra.instance().hydra = hydra
            VersionBase.instance().version_base = base
