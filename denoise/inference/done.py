"""What a folder's restored pictures were made with: a note of one line a picture, kept there."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from denoise.plain_text import to_json

NAME = ".restored.jsonl"


def digest(net: nn.Module, options: Mapping[str, Any]) -> str:
    """Return a name for a model with options: of the same weights and options it is the same."""
    found = hashlib.sha256(to_json(options, indent=None).encode())
    for name, weight in sorted(net.state_dict().items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()[:16]


def note(folder: Path, picture: Path, name: str) -> None:
    """Keep what a picture below a folder was restored with."""
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(f"{to_json([str(picture.relative_to(folder)), name], indent=None)}\n")


def made_with(folder: Path) -> dict[Path, str]:
    """Return what the pictures of a folder were restored with; broken lines are passed over."""
    notes: dict[Path, str] = {}
    try:
        text = (folder / NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return notes
    for line in text.splitlines():
        try:
            picture, name = json.loads(line)
            notes[folder / str(picture)] = name
        except (ValueError, TypeError, RecursionError):
            continue
    return notes
