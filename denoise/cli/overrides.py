"""Arguments in the form of Hydra's parser: flags first, paths in quotes."""

import os
import re
from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString

PATH_OPTIONS = {
    "checkpoint", "clean", "frames", "init", "input", "noisy", "out", "output", "path", "profile",
    "resume",
}  # fmt: skip
WITH_VALUE = {
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name",
    "-cd", "--config-dir", "--experimental-rerun",
}  # fmt: skip
SWEEP = {"-m", "--multirun"}
FLAGS = WITH_VALUE | SWEEP | {
    "-r", "--run", "--resolve", "--hydra-help", "--version", "-i", "--info",
    "-sc", "--shell-completion",
}  # fmt: skip
# Text that Hydra reads as one string without quotes.
_PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)(?:[a-z_/]|\.+/)[\w/.+-]*", re.A | re.I)
_WORD = re.compile(r"[\w.+-]*")
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_LIST_ITEM = re.compile(rf"\s*({_QUOTED}|[^,]*?)\s*(?:,|$)")


def hydra_arguments(arguments: Sequence[str], positional: str | None = None) -> list[str]:
    """Order and quote the arguments of a command for Hydra.

    Args:
        arguments: as the shell gives them, flags and overrides in any order.
        positional: option whose list of values is given without a key.

    Raises:
        ValueError: for what is neither an override nor a flag of Hydra.
    """
    sweep = bool(SWEEP & set(arguments))
    flags: list[str] = []
    overrides: list[str] = []
    values: list[str] = []
    before = ""
    for argument in arguments:
        if flags and flags[-1] in WITH_VALUE:
            flags.append(argument)
        elif argument.startswith("-"):
            if argument.partition("=")[0] not in FLAGS:
                option = argument.lstrip("-").partition("=")[0].replace("-", "_")
                raise ValueError(f"{argument} is not a flag: options are written {option}=VALUE")
            flags.append(argument)
        elif "=" in argument or argument.startswith("~"):
            overrides.append(quote_path(argument, sweep))
        elif positional is not None or (flags and flags[-1] in ("-i", "--info")):
            (values if positional else flags).append(argument)
        else:
            hint = (
                f"; a value with spaces is quoted: '{before} {argument}'" if "=" in before else ""
            )
            raise ValueError(f"{argument} is not an option: options are written key=value{hint}")
        before = argument
    if values:
        overrides.append(f"{positional}=[{','.join(values)}]")
    return flags + overrides


def quote_path(override: str, sweep: bool) -> str:
    """Quote the value of an override where it is a path that Hydra cannot parse.

    A path is the value of an option that takes one, or any value that names an existing file or
    folder and is not a plain word or number. `~` is expanded. Quoted values are kept.

    Args:
        override: key=value.
        sweep: whether commas outside quotes separate the values of several runs.
    """
    key, _, value = override.partition("=")
    name = key.lstrip("+").rpartition(".")[2]
    takes_path = name in PATH_OPTIONS or name.endswith(("dir", "dirpath"))
    if os.path.exists(os.path.expanduser(value)) and (takes_path or not _WORD.fullmatch(value)):
        return f"{key}={_quote(value)}"
    if not takes_path:
        return override
    items = _split_list(value) if sweep and not key.startswith("hydra.") else [value]
    return f"{key}={','.join(map(_keep_or_quote, items))}"


def _split_list(value: str) -> list[str]:
    """Split at commas outside quotes."""
    items, start = [], 0
    while start <= len(value):
        match = _LIST_ITEM.match(value, start)
        assert match is not None  # the empty text matches too
        items.append(match[1])
        start = match.end() + (not match[0].endswith(","))
    return items


def _keep_or_quote(value: str) -> str:
    if not re.fullmatch(_QUOTED, value):
        return _quote(value)
    mark, text = value[0], value[1:-1]
    return _quote(text.replace(f"\\{mark}", mark)) if text.startswith("~") else value


def _quote(value: str) -> str:
    value = os.path.expanduser(value)
    plain = _PLAIN.fullmatch(value) or value.lower() in ("", "null")
    return value if plain else QuotedString(value, Quote.single).with_quotes()
