"""Checks of options, with one wording for all."""

from collections.abc import Iterable


def check_odd(**sizes: int) -> None:
    """Refuse the side of a kernel that has no middle.

    Raises:
        ValueError: for an even one.
    """
    for name, size in sizes.items():
        if size % 2 == 0:
            raise ValueError(f"{name}={size} has no middle: choose an odd number")


def check_choice(words: Iterable[str], **options: str) -> None:
    """Refuse a word that an option does not know.

    Raises:
        ValueError: for any but `words`.
    """
    words = list(words)
    for name, word in options.items():
        if word not in words:
            raise ValueError(f"{name}={word} is unknown: choose one of {', '.join(words)}")
