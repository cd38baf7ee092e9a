"""Options that have another name than in earlier versions."""

from denoise.weights.migrate import DROPPED_OPTIONS, RENAMED_OPTIONS


def _key(target: str, option: str) -> str:
    """Return the key of an option of a class: group.option."""
    return f"{target.split('.')[1]}.{option}"


# Old key: new key; None where the option was removed.
RENAMED = {
    **{_key(t, old): _key(t, new) for t, o in RENAMED_OPTIONS.items() for old, new in o.items()},
    **{_key(t, old): None for t, options in DROPPED_OPTIONS.items() for old in options},
    "data/samples": "data/photographs",
    "data/samples_train": "data/photographs_train",
    "data/samples_val": "data/photographs_val",
}


def renamed(key: str) -> str | None:
    """Return what became of an option that no longer exists; None where it never did.

    Args:
        key: of the option, which may lie deeper than in the table: `attention.level1.literal`; or
            group/option.
    """
    separator = "/" if "/" in key else "."
    parent, _, name = key.rpartition(separator)
    old = f"{parent.partition(separator)[0]}{separator}{name}" if parent else key
    if old not in RENAMED:
        return None
    new = RENAMED[old]
    if new is None:
        return "it was removed: leave it out"
    name = new.rpartition(separator)[2]
    return f"its name is '{parent}.{name}' now" if separator == "." and parent else f"use '{name}'"
