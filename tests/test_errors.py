"""The first line of an error's message."""

import pytest

from denoise.errors import first_line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("one line"), "one line"),
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n  \n  indented\nlast"), "indented"),
        (ValueError(), "ValueError"),
        (RuntimeError(" \n"), "RuntimeError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("a" * 999), "a" * 300),
    ],
)
def test_first_line(error, expected):
    assert first_line(error) == expected
