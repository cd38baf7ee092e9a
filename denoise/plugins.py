"""Packages of others whose networks may be built: trusted by the user's word, never by a file's."""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

GROUP = "denoise.plugins"  # of entry points of installed packages
CONFIGS = "configs"  # folder of a package with yamls by group, as configs/ of this project

_trusted: set[str] = set()


def trust(names: Sequence[str] | str | Path) -> list[ModuleType]:
    """Import packages, and let checkpoints name their networks from now on.

    Args:
        names: One or several: modules or packages, entry points of the group denoise.plugins, or
            paths of a Python file or of a package's folder.

    Returns:
        The modules.

    Raises:
        ValueError: If one cannot be imported, or is a part of Python itself.
    """
    modules = []
    for name in [names] if isinstance(names, str | Path) else names:
        module = _import(str(name))
        _trusted.add(module.__name__)
        modules.append(module)
    return modules


def is_trusted(target: str) -> bool:
    """Return whether a dotted name lies in a package that the user trusts."""
    return any(target.startswith(f"{name}.") for name in _trusted)


def remedy(target: str) -> str:
    """Return how a user allows a class of another package, for the end of a message."""
    package = target.partition(".")[0]
    own = package in ("denoise", *sys.stdlib_module_names)
    if "." not in target or own or is_trusted(target):
        return ""
    return f"; if you trust that package, allow it: plugins=[{package}]"


def configs_of(modules: Sequence[ModuleType]) -> list[Path]:
    """Return the folders of yamls that come with packages."""
    folders = [Path(str(module.__file__)).parent / CONFIGS for module in modules]
    return [
        folder
        for module, folder in zip(modules, folders, strict=True)
        if hasattr(module, "__path__") and folder.is_dir()
    ]


def _import(name: str) -> ModuleType:
    found = {point.name: point for point in entry_points(group=GROUP)}
    path = Path(name).expanduser().resolve()
    is_path = name.endswith(".py") or any(mark in name for mark in ("/", "\\"))
    module_name = found[name].module if name in found else path.stem if is_path else name
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise ValueError(f"plugins: {name} is a part of Python: name a package of networks")
    try:
        if is_path:
            if not path.exists():
                raise FileNotFoundError(f"no file or folder {path}")
            sys.path.insert(0, str(path.parent))
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever its code raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"plugins: {name} cannot be imported ({reason}): install it, or give its path, as "
            "plugins=[./mypkg]"
        ) from error
    if module.__file__ is None:
        raise ValueError(f"plugins: {name} has no __init__.py: add one, which may be empty")
    if is_path and not Path(str(module.__file__)).is_relative_to(path.parent):
        raise ValueError(f"plugins: {path} is hidden by the installed {module_name}: rename it")
    return module
