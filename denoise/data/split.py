"""A split of one folder into images for training, validation and test, by their names alone."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from denoise.option_checks import check_choice

SPLITS = ("train", "val", "test")
SHARE = 0.1  # of the images, for validation and for test

Value = TypeVar("Value")


def take(found: Mapping[str, Value], split: str | None) -> dict[str, Value]:
    """Return the images of one split, in their order; each is in one of the three.

    An image stays where it is when others come, since a hash of its name decides: but for the first
    and last by hash, which are in validation and test whatever the number of images.

    Args:
        found: Images by name.
        split: "train", "val", "test", or None for all.

    Raises:
        ValueError: If the split is unknown, or there are fewer than three images.
    """
    if split is None:
        return dict(found)
    check_choice(SPLITS, split=split)
    if len(found) < len(SPLITS):
        raise ValueError(
            f"split={split} of {len(found)} images: three are needed, one for each of "
            f"{', '.join(SPLITS)}"
        )
    order = sorted(found, key=_share)
    val = max(1, sum(_share(name) < SHARE for name in found))
    test = max(1, sum(_share(name) >= 1 - SHARE for name in found))
    val = min(val, len(found) - 2)
    test = min(test, len(found) - 1 - val)
    parts = {"val": order[:val], "test": order[len(order) - test :]}
    parts["train"] = order[val : len(order) - test]
    chosen = set(parts[split])
    return {name: value for name, value in found.items() if name in chosen}


def _share(name: str) -> float:
    """Return a number in [0, 1) that a name always has, here and on any machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
