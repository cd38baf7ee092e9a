"""Errors of a user, reported in one line that names the choices."""

import os
import re
import sys
import threading
from collections.abc import Sequence

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from denoise.cli.compose import CONFIGS, compose_config, options
from denoise.cli.renamed import renamed
from denoise.errors import cause, first_line, is_disk_full, is_out_of_memory
from denoise.results.tables import echo

# What takes less memory, by command.
LESS_MEMORY = {
    "train": "lower batch or patch, or set backbone.checkpointing=true",
    "restore": "lower memory",
    "export": "close other programs",
    "demo": "lower memory",
    "benchmark": "choose a smaller suite",
}
TRACEBACK = "HYDRA_FULL_ERROR=1 before the command shows where"


def report_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """Leave out what ended a thread that writes a log to a full disk: its next user says it."""
    if not is_disk_full(arguments.exc_value):
        threading.__excepthook__(arguments)


def exit_with_error(error: Exception, command: str, arguments: Sequence[str]) -> None:
    """End the process with one line, unless the error is a bug of this project."""
    if (status := getattr(error, "status", None)) is not None:  # ended by a signal
        if os.environ.get("LOCAL_RANK", "0") == "0":  # the other processes say the same
            echo(str(error))
        sys.exit(status)
    message = explain(error, command, arguments)
    if message is not None:
        sys.exit(f"error: {message}")


def explain(error: BaseException, command: str, arguments: Sequence[str]) -> str | None:
    """Return one line on what the user can change; None for a bug of this project.

    Args:
        error: exception that ended the command.
        command: name of the command.
        arguments: arguments of the command.
    """
    if isinstance(error, InstantiationException):
        return _explain_part(error, command, arguments)
    if is_out_of_memory(error):
        return f"out of memory: {LESS_MEMORY.get(command, 'take smaller images')}"
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        key = getattr(error.__cause__, "full_key", None)
        if key and (known := renamed(key) or _siblings(key, command, arguments)):
            return f"there is no option '{key}'; {known}"
    if isinstance(error, MissingConfigException) and (
        known := renamed(str(error.missing_cfg_file))
    ):
        return f"there is no option '{error.missing_cfg_file}'; {known}"
    if isinstance(error, OverrideParseException):
        reason = str(error.message).splitlines()[0]
        return f"{error.override} cannot be read ({reason}): quote special characters"
    if isinstance(error, HydraException):
        return _sets_of(error, arguments) or " ".join(
            str(error).split("\nConfig search path")[0].split()
        )
    if isinstance(error, OmegaConfBaseException):
        return f"{first_line(error)}; give {error.full_key}=... on the command line"
    if (mark := getattr(error, "problem_mark", None)) is not None:  # of a yaml file
        reason = getattr(error, "problem", "")
        return f"{mark.name}, line {mark.line + 1}: no yaml ({reason}): mend it"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's
        return f"trainer: {first_line(error)}"
    if is_disk_full(error):
        what = getattr(error, "filename", None) or "a file"
        return f"{what} could not be written, no space is left: free some, or choose another folder"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ValueError | OSError) or type(error).__name__ == "TrainingDivergedError":
        return str(error)
    if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
        return f"{error}: leave it out"
    return None


def _explain_part(error: InstantiationException, command: str, arguments: Sequence[str]) -> str:
    """Explain why a part of the config cannot be made: its options are the user's."""
    found = re.search(r"^full_key: (\S+)", str(error), re.MULTILINE)
    part, reason = found[1] if found else "the config", cause(error)
    if missing := re.match(r"Error locating target '([\w.]+)'", str(error)):
        while reason.__cause__ is not None:
            reason = reason.__cause__
        package = missing[1].partition(".")[0]
        return (
            f"{part}: there is no {missing[1]} here ({first_line(reason)}): install {package}, or "
            f"give its folder: plugins=[path/to/{package}]"
        )
    if known := explain(reason, command, arguments) if reason is not error else None:
        return known
    return (
        f"{part}: its options do not fit ({type(reason).__name__}: {first_line(reason)}); "
        f"{TRACEBACK}"
    )


def _siblings(key: str, command: str, arguments: Sequence[str]) -> str | None:
    """List the options that exist at the level of a key that does not."""

    def is_valid(argument: str) -> bool:
        name = argument.lstrip("+~").partition("=")[0]
        return (
            "=" in argument and name[:1] != "-" and name != key and not name.startswith(f"{key}.")
        )

    try:
        config = compose_config(*filter(is_valid, arguments), name=command)
        if group := _group_of(key, command, config):
            return f"it belongs to {group}: add that"
        parent = key.rpartition(".")[0]
        node = OmegaConf.select(config, parent) if parent else config
        names = [option for option in node if not str(option).startswith("_")]
    except Exception:
        return None
    return f"{parent or 'the config'} has: {', '.join(map(str, names))}"


def _group_of(key: str, command: str, config: DictConfig) -> str | None:
    """Return the set of images that an option belongs to, where it is not chosen: data=folder."""
    package, _, rest = key.partition(".")
    option = rest.partition(".")[0]
    for entry in OmegaConf.load(CONFIGS / f"{command}.yaml").defaults:
        group = str(next(iter(entry))) if OmegaConf.is_dict(entry) else ""
        name, _, at = group.partition("@")
        if (at or name) == package and option in options(name) and option not in config[package]:
            return f"{group}={option}"
    return None


def _sets_of(error: HydraException, arguments: Sequence[str]) -> str | None:
    """Explain a group that a command has several of, such as data=folder of denoise train."""
    found = re.match(
        r"Could not override '([\w/]+)'\.\s*Did you mean to override (?:one of )?(.+?)\?",
        str(error),
    )
    if found is None:
        return None
    group, choices = found[1], found[2]
    value = next((a.partition("=")[2] for a in arguments if a.startswith(f"{group}=")), "")
    known = renamed(f"{group}/{value}")
    answer = ", ".join(f"{choice}=..." for choice in choices.split(", "))
    return f"{group}={value} does not say for what: choose {answer}" + (
        f"; of '{value}', {known}" if known else ""
    )
