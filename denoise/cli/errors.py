"""Errors of a user, reported in one line that names the choices."""

import sys
from collections.abc import Sequence

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from denoise.cli.compose import compose_config
from denoise.cli.renamed import renamed
from denoise.errors import first_line


def exit_with_error(error: Exception, command: str, arguments: Sequence[str]) -> None:
    """End the process with one line, unless the error is a bug of this project."""
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
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
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
        return " ".join(str(error).split("\nConfig search path")[0].split())
    if isinstance(error, OmegaConfBaseException):
        return f"{first_line(error)}; give {error.full_key}=... on the command line"
    if isinstance(error, ValueError | OSError) or type(error).__name__ == "TrainingDivergedError":
        return str(error)
    if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
        return f"{error}: leave it out"
    return None


def _siblings(key: str, command: str, arguments: Sequence[str]) -> str | None:
    """List the options that exist at the level of a key that does not."""
    keep = [a for a in arguments if "=" in a and a.lstrip("+~").split("=")[0] != key]
    try:
        config = compose_config(*keep, name=command)
        parent = key.rpartition(".")[0]
        node = OmegaConf.select(config, parent) if parent else config
        options = [option for option in node if not str(option).startswith("_")]
    except Exception:
        return None
    return f"{parent or 'the config'} has: {', '.join(map(str, options))}"
