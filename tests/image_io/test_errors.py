import struct
import warnings
from pathlib import Path

import pytest

from denoise.image_io.errors import ImageError, wrap_errors


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError("no"), "a.png does not exist: check the path"),
        (PermissionError("no"), "a.png may not be read by you: change its permissions"),
        (KeyError("tag 256"), "a.png cannot be read (the file is damaged): fix it"),
        (struct.error("unpack requires"), "a.png cannot be read (the file is damaged): fix it"),
        (MemoryError(), "a.png cannot be read (MemoryError): fix it"),
        (
            OSError("cannot identify image file <_io.BufferedReader name='a.png'>"),
            "a.png cannot be read (cannot identify image file): fix it",
        ),
        (OSError("a.png:\n  broken  data"), "a.png cannot be read (file: broken data): fix it"),
        (ImageError("as it is"), "as it is"),
    ],
)
def test_any_error_becomes_one_line(error, line):
    with pytest.raises(ImageError) as caught, wrap_errors(Path("a.png"), "fix it"):
        raise error
    assert str(caught.value) == line


def test_interrupts_pass_and_warnings_are_silent():
    with pytest.raises(KeyboardInterrupt), wrap_errors(Path("a.png"), "fix it"):
        raise KeyboardInterrupt
    with wrap_errors(Path("a.png"), "fix it"):
        warnings.warn("of a decoder", stacklevel=1)
