"""The answer to `--help`: the options and groups of a command, with comments and defaults."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from denoise.cli.compose import CONFIGS, compose_config, options

_COMMENT = re.compile(r"^ *([\w-]+):[^#\n]*(?<=\s)#[ ]*(.*)$", re.MULTILINE)


def options_help(command: str, summary: str, overrides: Sequence[str]) -> str:
    """Format the options of a command, and those of the groups that are chosen beside `--help`.

    Args:
        command: name of a yaml in configs.
        summary: what the command does.
        overrides: overrides given beside `--help`.
    """
    defaults = OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{command}.yaml").defaults)
    assert isinstance(defaults, list)
    bases = [entry for entry in defaults if isinstance(entry, str) and entry != "_self_"]
    groups: dict[str, str] = {}
    for entry in defaults:
        if isinstance(entry, Mapping):
            groups |= {k: v for k, v in entry.items() if not k.startswith("override ")}
    packages = {key: key.rpartition("@")[2] for key in groups}
    config = OmegaConf.to_container(compose_config(*overrides, name=command))
    assert isinstance(config, dict)

    lines = [summary, "", f"  denoise {command.replace('_', '-')} KEY=VALUE ...", "", "Options:"]
    files = [CONFIGS / f"{name}.yaml" for name in (command, *bases)]
    own = {key: value for key, value in config.items() if key not in packages.values()}
    lines += _table(own, "", _comments(files))
    if groups:
        lines += ["", "Groups, KEY=OPTION, with the default in brackets:"]
        width = max(map(len, groups))
        for key, default in groups.items():
            names = (f"[{n}]" if n == default else n for n in options(key.partition("@")[0]))
            lines.append(f"  {key:{width}}  {' '.join(names)}")
    chosen = dict(override.split("=", 1) for override in overrides)
    for key in (key for key in groups if key in chosen):
        file = CONFIGS / key.partition("@")[0] / f"{chosen[key]}.yaml"
        chosen_config = config.get(packages[key])
        if isinstance(chosen_config, dict) and file.is_file():
            lines += ["", f"Options of {key}={chosen[key]}:"]
            lines += _table(chosen_config, f"{packages[key]}.", _comments([file]))
    if groups:
        key = next(key for key in ("attention", *groups) if key in groups)
        lines += ["", f"`{key}={groups[key]} --help` lists the options of that choice as well."]
    return "\n".join(lines)


def _comments(files: Sequence[Path]) -> dict[str, str]:
    """Read the comments at the ends of lines, by the key of the line."""
    return {key: note for file in files for key, note in _COMMENT.findall(file.read_text())}


def _table(config: Mapping[Any, Any], prefix: str, comments: Mapping[str, str]) -> list[str]:
    """Align keys, defaults and comments."""
    rows = [(key, _shown(value), comments.get(key.rpartition(".")[2], ""))
            for key, value in _leaves(config, prefix)]  # fmt: skip
    keys, values = (max((len(row[n]) for row in rows), default=0) for n in (0, 1))
    return [f"  {key:{keys}}  {value:{values}}  {note}".rstrip() for key, value, note in rows]


def _leaves(config: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        elif not str(key).startswith("_"):
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    if value == "???":
        return "(required)"
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
