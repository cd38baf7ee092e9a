"""Checks of options that raise the same message everywhere."""

from collections.abc import Iterable, Sequence


def check_positive(**sizes: float) -> None:
    """Check that sizes are positive numbers.

    Raises:
        ValueError: for zero, less, or what is no number.
    """
    for name, size in sizes.items():
        if not isinstance(size, int | float):
            raise ValueError(f"{name}={size} must be a positive number")
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


def at_level(level: int, **options: int | Sequence[int]) -> list[int]:
    """Return the values of options that are numbers, or lists of one for each level of a network.

    Args:
        level: 0 for the top; below the end of a list its last number holds.

    Raises:
        ValueError: for an empty list.
    """
    values = []
    for name, option in options.items():
        if isinstance(option, Sequence) and not option:
            raise ValueError(f"{name}=[] must hold a number for each level")
        values.append(
            option[min(level, len(option) - 1)] if isinstance(option, Sequence) else option
        )
    return values
