"""The command line: Hydra's, with errors in one line that say what there is to choose from."""

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.table import Table

from denoise.malloc import tune_malloc
from denoise.results.record import write_failure
from denoise.results.sweep import write_summary
from denoise.results.tables import echo

CONFIGS = Path(__file__).parents[2] / "configs"
PATHS = ("checkpoint", "input", "output")  # options whose values Hydra may not parse


def hydra_main(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Make a task the main function of a script, run on configs/<name of the script>.yaml."""
    script, configs = Path(inspect.getfile(task)), str(CONFIGS)
    traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))

    def exit_with_error(error: Exception) -> None:
        """End with a line, unless the error is ours."""
        message = explain(error, configs, script.stem, sys.argv[1:])
        if message is not None and not traceback:
            sys.exit(f"error: {message}")

    def job(config: DictConfig) -> None:
        try:
            check_types(config, script.stem)
            task(config)
        except Exception as error:
            if HydraConfig.get().mode is not RunMode.MULTIRUN:  # a sweep goes on
                exit_with_error(error)
            raise

    job.__module__ = script.stem  # Hydra names the job by it
    run = hydra.main(version_base="1.3", config_path=configs, config_name=script.stem)(job)

    def main() -> None:
        tune_malloc()
        if not {"-m", "--multirun"} & set(sys.argv):
            sys.argv[1:] = [as_path(argument) for argument in sys.argv[1:]]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, not to Hydra's printer
        try:
            run()
        except Exception as error:
            exit_with_error(error)
            raise
        finally:
            if not traceback:
                del os.environ["HYDRA_FULL_ERROR"]

    return main


def as_path(argument: str) -> str:
    """Quote the value of an option that is a path: Hydra would stumble over what names hold."""
    name, equals, value = argument.partition("=")
    if name not in PATHS or not value or value[0] in "'\"":
        return argument
    value = value.replace("'", "\\'")
    return f"{name}{equals}'{value}'"


def check_types(config: DictConfig, name: str) -> None:
    """Refuse words in place of numbers, and what is neither true nor false in place of that.

    Raises:
        ValueError: for an override of another kind than its default.
    """
    chosen = HydraConfig.get().runtime.choices
    overrides = [o for o in HydraConfig.get().overrides.task if o[0] not in "+~"]
    groups = [o for o in overrides if o.partition("=")[0] in chosen]
    defaults = compose(name, groups)
    for key in (o.partition("=")[0] for o in overrides if o not in groups):
        default, value = (OmegaConf.select(c, key) for c in (defaults, config))
        values = value if OmegaConf.is_list(value) else [value]
        if isinstance(default, bool) and not isinstance(value, bool):
            raise ValueError(f"{key}={value} is neither true nor false")
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if type(default) in (int, float) and not numbers and value is not None:
            raise ValueError(f"{key}={value} is no number")


def choose_device(word: str) -> torch.device:
    """Give the device of a word; auto is the GPU, where there is one.

    Raises:
        ValueError: for a device that cannot be used here.
    """
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=word).device
    except (RuntimeError, AssertionError) as error:
        here = "auto, cpu or cuda" if torch.cuda.is_available() else "auto or cpu"
        raise ValueError(f"device={word} cannot be used here: choose {here}") from error


def explain(error: Exception, configs: str, name: str, arguments: list[str]) -> str | None:
    """Say in a line what the user can mend; None for an error that is ours."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        key = getattr(error.__cause__, "full_key", None)
        if key and (known := _siblings(key, configs, name, arguments)):
            return f"there is no option '{key}'; {known}"
    if isinstance(error, HydraException):
        return str(error).split("\nConfig search path")[0].strip()
    if isinstance(error, OmegaConfBaseException):
        return str(error).splitlines()[0] + f"; give {error.full_key}=... on the command line"
    if isinstance(error, ValueError | OSError) or type(error).__name__ == "TrainingDivergedError":
        return str(error)
    if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
        return f"{error}: leave it out"
    return None


def _siblings(key: str, configs: str, name: str, arguments: list[str]) -> str | None:
    """List the options beside a key that does not exist."""
    keep = [a for a in arguments if "=" in a and a.lstrip("+~").split("=")[0] != key]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(configs, version_base="1.3"):
            config = compose(name, keep)
        parent = key.rpartition(".")[0]
        node = OmegaConf.select(config, parent) if parent else config
        options = [option for option in node if not str(option).startswith("_")]
    except Exception:
        return None
    return f"{parent or 'the config'} has: {', '.join(map(str, options))}"


def compose_config(*options: str, name: str = "train") -> DictConfig:
    """Compose what the command line with these words would, for scripts that need a part.

    Args:
        options: overrides, as `attention=swin`.
        name: of the script.
    """
    if GlobalHydra.instance().is_initialized():  # within a script that `hydra_main` runs
        return compose(name, list(options))
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name, list(options))


def options(group: str) -> list[str]:
    """List the words of a config group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


class SweepSummary(Callback):
    """Keeps the table of a sweep: after each run it is shown, and written to the sweep's folder."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Record a failure like any result, then show all runs so far."""
        if job_return.hydra_cfg is None or config.hydra.mode.name != "MULTIRUN":
            return
        folder = Path(config.hydra.sweep.dir)
        if job_return.status is JobStatus.FAILED:
            error = job_return._return_value
            write_failure(folder / config.hydra.sweep.subdir, job_return.overrides, error)
        rows = write_summary(folder)
        table = Table(title=f"sweep {folder}", title_justify="left")
        names = list(dict.fromkeys(key for row in rows for key in row))
        for column in names:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(row.get(column, "") for column in names))
        echo(table, f"written to {folder}/summary.md and summary.csv")
