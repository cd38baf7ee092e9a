"""What a folder's restored pictures were made with: a note of one line a picture, kept there."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from denoise.plain_text import to_json

NAME = ".restored.jsonl"


def digest(net: nn.Module, options: Mapping[str, Any]) -> str:
    """Return a name for a model with options: of the same weights and options it is the same."""
    numbers = {k: float(v) if type(v) is int else v for k, v in options.items()}  # 1 is 1.0
    found = hashlib.sha256(to_json(numbers, indent=None).encode())
    for name, weight in sorted(net.state_dict().items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()[:16]


def note(folder: Path, picture: Path, name: str) -> None:
    """Keep what a picture was restored with, in its folder and in those above that keep notes.

    Args:
        folder: Of the output; notes are begun there if the picture is below it.
        picture: The restored picture.
        name: From `digest`.
    """
    for parent in picture.parents:
        path = parent / NAME
        if parent == folder or path.exists():
            line = to_json([str(picture.relative_to(parent)), name], indent=None)
            with suppress(OSError):  # the picture is there; at worst it is restored once more
                if _is_own(path):
                    with path.open("a", encoding="utf-8") as file:
                        file.write(f"\n{line}\n")  # the line before may be cut off


def _is_own(path: Path) -> bool:
    """Return whether notes may be kept there: no link to elsewhere, no pipe."""
    return not path.is_symlink() and (path.is_file() or not path.exists())


def made_with(folder: Path) -> dict[Path, str]:
    """Return what the pictures of a folder were restored with; broken lines are passed over."""
    notes: dict[Path, str] = {}
    path = folder / NAME
    try:
        text = path.read_text("utf-8", errors="replace") if _is_own(path) else ""
    except OSError:
        return notes
    for line in text.splitlines():
        try:
            picture, name = json.loads(line)
            notes[folder / str(picture)] = name
        except (ValueError, TypeError, RecursionError):
            continue
    return notes
