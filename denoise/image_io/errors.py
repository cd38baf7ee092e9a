"""The error of an image file, in one line with a remedy."""

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ImageError(ValueError):
    """An image file that cannot be used, and what to do about it, in one line."""


class TooLargeError(ValueError):
    """A picture that would take more memory than allowed."""


@contextmanager
def wrap_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a file into one line with a remedy, and silence it.

    Raises:
        ImageError: For any exception inside.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist: check the path") from None
    except PermissionError:
        raise ImageError(f"{path} may not be read by you: change its permissions") from None
    except Exception as error:  # decoders raise anything on damaged or hostile bytes
        reason = re.sub(r" (file )?<_io\.\w+ name=.*?>", " file", str(error))  # as Pillow names it
        reason = " ".join(reason.replace(str(path), "file").split())
        if isinstance(error, LookupError | struct.error):  # worded for programmers
            reason = "the file is damaged"
        elif " " not in reason:
            reason = type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}): {remedy}") from error
