"""The models that come with the package, by name."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "released"  # a folder each, as denoise export writes them
DEFAULT = "color"


def released_models() -> list[str]:
    """Return the names of the released models, the default first."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/model.safetensors"))
    return sorted(names, key=lambda name: name != DEFAULT)


def find_model(path: str | Path) -> Path:
    """Return the folder of a released model where `path` is its name, else the path itself.

    Raises:
        ValueError: If it is empty.
    """
    if not str(path).strip():
        raise ValueError(
            f"no checkpoint is named: give a path, or one of {', '.join(released_models())}"
        )
    return FOLDER / str(path) if str(path) in released_models() else Path(path)
