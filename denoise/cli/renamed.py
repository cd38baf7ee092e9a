"""Options that have another name than in earlier versions."""

RENAMED = {
    "attention.literal": "attention.naive",
    "noise.grain": "noise.correlation_sigma",
    "norm.init": None,  # it ruined training: see LOG.md
}


def renamed(key: str) -> str | None:
    """Say what became of an option that no longer exists; None where it never did.

    Args:
        key: of the option, which may lie deeper than in the table: `attention.level1.literal`.
    """
    group, _, rest = key.partition(".")
    old = f"{group}.{rest.rpartition('.')[2]}" if rest else group
    if old not in RENAMED:
        return None
    new = RENAMED[old]
    if new is None:
        return "it was removed: leave it out"
    parent = key.rpartition(".")[0]
    return f"its name is '{parent}.{new.rpartition('.')[2]}' now" if parent else f"use '{new}'"
