"""The text of an error for its user: one line."""

MAX_LENGTH = 300  # characters; some exporters put a whole program into one line


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not blank, else its type's name."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:MAX_LENGTH]
