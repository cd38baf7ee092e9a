"""The text of an error for its user: one line."""


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error that is not blank, else its type's name."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
