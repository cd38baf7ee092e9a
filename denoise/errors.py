"""The text of an error for its user: one line."""

import errno

MAX_LENGTH = 300  # characters; some exporters put a whole program into one line
# How torch, its allocator on a CPU and CUDA say that memory is exhausted.
OUT_OF_MEMORY = ("not enough memory", "t allocate memory", "out of memory", "ALLOC_FAILED")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not blank, else its type's name.

    Of an error in a part of the config it is the part's own: Hydra only says which target failed.
    """
    error = cause(error)
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:MAX_LENGTH]


def cause(error: BaseException) -> BaseException:
    """Return the error of a part of the config that Hydra's error wraps, else the error itself."""
    while type(error).__name__ == "InstantiationException" and error.__cause__ is not None:
        error = error.__cause__
    return error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a processor or a GPU is exhausted."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error says that no space is left to write."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # Of safetensors, and of torch's writer of archives, which says only where it failed.
    texts = ("No space left on device", "inline_container", "PytorchStreamWriter failed")
    return error is not None and any(text in str(error) for text in texts)
