"""A folder of its own for every run and sweep, also of those that start in the same second."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, flag_override


class OwnFolder(Callback):
    """Makes the folder of a run, with a number added where another run has it.

    A folder that the user names is taken as it is.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the folder of a single run."""
        _reserve(config, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the folder of a sweep."""
        _reserve(config, "hydra.sweep.dir")


def _reserve(config: DictConfig, key: str) -> None:
    named = [override.split("=")[0].lstrip("+") for override in config.hydra.overrides.hydra]
    if key in named:
        return
    wanted = Path(str(OmegaConf.select(config, key)))
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
    with flag_override(config, ["readonly", "struct"], False):
        OmegaConf.update(config, key, str(folder))
