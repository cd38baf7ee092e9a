"""The entry of a command: a task that runs on Hydra's configuration."""

import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from denoise.cli.check_types import check_types
from denoise.cli.compose import CONFIGS, as_list
from denoise.cli.errors import exit_with_error, report_of_thread
from denoise.cli.options_help import options_help
from denoise.cli.overrides import hydra_arguments
from denoise.cli.sweep_summary import remove_empty_sweep
from denoise.plugins import configs_of, trust
from denoise.results.tables import echo

HELP = ("-h", "--help")
OWN = "DENOISE_OWN_HYDRA_FULL_ERROR"


def hydra_main(
    task: Callable[[DictConfig], Any], positional: str | None = None
) -> Callable[[], None]:
    """Return the main function of a command, which runs a task on configs/<name of its file>.yaml.

    Args:
        task: takes the configuration.
        positional: option whose list of values is given without a key.
    """
    command = Path(inspect.getfile(task)).stem
    traceback = bool(os.environ.get("HYDRA_FULL_ERROR")) and OWN not in os.environ

    def exit_unless_traceback(error: Exception) -> None:
        if not traceback:
            exit_with_error(error, command, sys.argv[1:])

    def job(config: DictConfig) -> Any:
        try:
            _enable_warnings()
            trust(as_list(config.get("plugins") or []))  # again in each process of a sweep
            check_types(config, command)
            return task(config)  # a score, for Hydra's sweepers that search
        except Exception as error:
            # A sweep goes on after an error, but not after a signal.
            if HydraConfig.get().mode is not RunMode.MULTIRUN or hasattr(error, "status"):
                exit_unless_traceback(error)
            raise

    job.__module__ = command  # Hydra names the job by it
    run = hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=command)(job)

    def main() -> None:
        threading.excepthook = report_of_thread
        # Errors come here, not to Hydra's printer; processes of this run know that we set it.
        os.environ |= {"HYDRA_FULL_ERROR": "1"} | ({} if traceback else {OWN: "1"})
        arguments = [argument for argument in sys.argv[1:] if argument not in HELP]
        asks_help = len(arguments) < len(sys.argv) - 1
        try:
            sys.argv[1:] = hydra_arguments([*arguments, *_search_path(arguments)], positional)
            if asks_help:
                echo(options_help(command, inspect.getdoc(task) or "", sys.argv[1:]))
            else:
                run()
        except Exception as error:
            remove_empty_sweep()
            exit_unless_traceback(error)
            raise
        finally:
            if not traceback:
                del os.environ["HYDRA_FULL_ERROR"], os.environ[OWN]

    return main


def _enable_warnings() -> None:
    """Let our warnings through where Hydra, told to keep no log, has disabled all loggers."""
    logger = logging.getLogger("denoise")
    logger.disabled = False
    if not logger.isEnabledFor(logging.WARNING):
        logger.setLevel(logging.WARNING)


def _search_path(arguments: Sequence[str]) -> list[str]:
    """Return the option by which Hydra finds the yamls of the plugins that arguments name."""
    values = [a.partition("=")[2] for a in arguments if a.partition("=")[0] == "plugins"]
    if not values or any(a.startswith("hydra.searchpath=") for a in arguments):
        return []
    try:
        named = as_list(OmegaConf.create(f"plugins: {values[-1]}").plugins or [])
    except Exception:  # what cannot be read is told by Hydra
        return []
    folders = [
        QuotedString(f"file://{folder}", Quote.single) for folder in configs_of(trust(named))
    ]
    return [f"hydra.searchpath=[{','.join(one.with_quotes() for one in folders)}]"] * bool(folders)
