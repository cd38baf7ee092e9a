"""Text that any reader takes: strict JSON, names of files in any encoding, cells of a sheet."""

import json
import math
from collections.abc import Mapping
from typing import Any


def utf8(text: str) -> str:
    r"""Return text with the bytes of a file name that are not UTF-8 as escapes, such as \xff."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def to_json(content: Any, indent: int | None = 1) -> str:
    """Return content as JSON, infinite and undefined numbers as null.

    Args:
        content: Mappings, sequences, text and numbers.
        indent: Of nested lines in characters; None writes one line.
    """
    return json.dumps(_strict(content), indent=indent, allow_nan=False)


def to_cell(value: Any) -> Any:
    """Return a value of a CSV file; an apostrophe goes before text that a spreadsheet computes."""
    if not isinstance(value, str):
        return value
    return utf8(f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value)


def _strict(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, str):
        return utf8(content)
    if isinstance(content, Mapping):
        return {_strict(key): _strict(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_strict(value) for value in content]
    return content
