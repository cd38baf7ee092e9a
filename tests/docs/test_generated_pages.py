"""Pages that are made from the code."""

from pathlib import Path

import pytest
from generated_pages import arguments, measured_costs, modules, option, pages
from harness import ROOT, options


@pytest.fixture(scope="module")
def made():
    return {name: values for name, _, values in pages()}


def test_every_option_room_and_module_has_its_place(made):
    groups = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert {f"configuration/{group}.rst" for group in groups} <= set(made)
    assert {f"attention/{name}.rst" for name in options("attention")} <= set(made)
    documented = {m for name in made if name.startswith("api/") for m in made[name]["modules"]}
    files = {path.relative_to(ROOT) for path in (ROOT / "denoise").rglob("*.py")}
    public = {
        ".".join(file.with_suffix("").parts)
        for file in files
        if not file.stem.startswith("_") and file.parts[1] != "attention"
    }
    assert documented == public


def test_page_of_an_attention_states_its_properties(made):
    page = made["attention/swin.rst"]
    ((label, properties, stated),) = page["mixers"]
    assert label == ""
    assert page["target"] == "denoise.attention.swin.ShiftedWindowAttention"
    assert properties.shift_period == 8
    assert "window" in stated.values()
    assert page["measured"]["256"] == ("39.1", "108")
    assert [label for label, _, _ in made["attention/per_level.rst"]["mixers"]] == [
        "level 1", "level 2", "level 3", "level 4"
    ]  # fmt: skip


def test_an_option_that_was_never_measured_has_a_page(made):
    assert measured_costs().get("per_level") is None
    assert made["attention/per_level.rst"]["measured"] == {}


def test_arguments_are_those_of_the_docstring_and_the_yaml():
    page = option(ROOT / "configs/norm/dyt.yaml")
    assert page["summary"].startswith("Dynamic tanh")
    assert "alpha" in page["arguments"]
    assert "dim" not in page["arguments"]  # not in the yaml
    text = "Do.\n\nArgs:\n    first: one\n        and more.\n    second: two.\n\nReturns:\n    it."
    assert arguments(text) == {"first": "one and more.", "second": "two."}


def test_modules_of_a_file_and_of_a_folder():
    assert modules(ROOT / "denoise/norm.py") == ["denoise.norm"]
    assert "denoise.layers.windows" in modules(Path(ROOT / "denoise/layers"))
    assert not [name for name in modules(ROOT / "denoise/layers") if "__" in name]
