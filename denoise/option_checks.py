"""Checks of options that raise the same message everywhere."""

from collections.abc import Iterable


def check_positive(**sizes: float) -> None:
    """Check that sizes are positive.

    Raises:
        ValueError: for zero or less.
    """
    for name, size in sizes.items():
        if size <= 0:
            raise ValueError(f"{name}={size} must be positive")


def check_odd(**sizes: int) -> None:
    """Check that kernel sizes are odd and positive.

    Raises:
        ValueError: for another size.
    """
    check_positive(**sizes)
    for name, size in sizes.items():
        if size % 2 == 0:
            raise ValueError(f"{name}={size} must be odd")


def check_choice(choices: Iterable[str], **options: str) -> None:
    """Check that options have one of the allowed values.

    Raises:
        ValueError: naming the allowed values.
    """
    choices = list(choices)
    for name, value in options.items():
        if value not in choices:
            raise ValueError(f"{name}={value} is unknown: choose one of {', '.join(choices)}")
