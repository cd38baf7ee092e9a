"""Options that have another name than in earlier versions."""

RENAMED = {
    "attention.literal": "attention.naive",
    "noise.grain": "noise.correlation_sigma",
    "norm.init": None,  # it ruined training: see LOG.md
    "data/samples": "data/photographs",
    "data/samples_train": "data/photographs_train",
    "data/samples_val": "data/photographs_val",
}


def renamed(key: str) -> str | None:
    """Say what became of an option that no longer exists; None where it never did.

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
