"""Text that others read: JSON without Infinity, names in any encoding, no formulas in sheets."""

import json
import os

import pytest

from denoise.plain_text import to_cell, to_json, utf8

NAME = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.png")  # Latin-1, then UTF-8


def test_undecodable_bytes_are_shown_as_escapes():
    assert utf8(NAME) == "caf\\xe9 \N{GRINNING FACE}.png"
    assert utf8("größe 100%.png") == "größe 100%.png"


def test_json_is_strict():
    content = {"psnr": [float("inf"), float("nan"), 1.5], NAME: (NAME, None, True, 3)}
    text = to_json(content)
    text.encode("utf-8")
    read = json.loads(text, parse_constant=pytest.fail)
    assert read == {"psnr": [None, None, 1.5], utf8(NAME): [utf8(NAME), None, True, 3]}
    assert "\n" not in to_json(content, indent=None)
    with pytest.raises(TypeError):
        to_json({"x": object()})


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1"])
def test_a_cell_is_never_a_formula(text):
    assert to_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, 3, None, "a=1", "", "plain"])
def test_other_cells_stay(value):
    assert to_cell(value) is value or to_cell(value) == value


def test_a_cell_holds_any_name():
    assert to_cell(NAME) == utf8(NAME)
