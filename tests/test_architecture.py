"""The rules of the house: who may import whom, and that names match."""

import ast

import pytest
from harness import ROOT, options

FLOORS = {
    "receptive_field": -2, "malloc": -2, "option_checks": -2, "errors": -2,
    "properties": -1, "layers": -1,
    "attention": 0, "norm": 0, "feedforward": 0, "noise": 0, "losses": 0, "metrics": 0,
    "backbone": 1, "image_io": 1,
    "data": 2, "inference": 2, "weights": 2,
    "evaluation": 3, "results": 4,
    "training": 5, "study": 5, "export": 5, "benchmark": 5,
    "cli": 6,
}  # fmt: skip
HYDRA = {"denoise/weights/validate.py"}
LIGHTNING = "denoise/benchmark/train.py"  # times the training command from within
FILES = sorted((ROOT / "denoise").rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    place = path.relative_to(ROOT / "denoise").with_suffix("").parts
    name = str(path.relative_to(ROOT))
    for module in imports(path):
        top, *rest = module.split(".")
        if top == "denoise":
            if place == ("__init__",):
                pytest.fail("denoise/__init__.py imports nothing")
            same = rest[0] == place[0]
            assert same or FLOORS[rest[0]] < FLOORS[place[0]], f"{name} imports {module}"
            if same and place[0] == "attention":
                assert rest[-1].startswith("_"), f"{name} imports its sibling {module}"
        if top in ("pytorch_lightning", "lightning"):
            assert place[0] in ("training", "cli") or name == LIGHTNING, f"{name} imports {module}"
        if top in ("hydra", "omegaconf"):
            assert place[0] == "cli" or name in HYDRA, f"{name} imports {module}"


def test_every_folder_has_a_floor():
    names = {path.relative_to(ROOT / "denoise").parts[0].removesuffix(".py") for path in FILES}
    assert names - {"__init__"} == set(FLOORS)


def test_no_dumping_grounds():
    names = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc"}


def test_sigma_is_converted_in_one_line():
    lines = [
        line for path in FILES for line in path.read_text().splitlines() if "sigma / 255" in line
    ]
    assert lines == ["    return sigma / 255"]


@pytest.mark.parametrize(
    "script",
    sorted(
        ["train.py", "evaluate.py", *(f"scripts/{p.name}" for p in (ROOT / "scripts").glob("*.py"))]
    ),
)
def test_entry_points_stay_thin(script):
    code = [line for line in (ROOT / script).read_text().splitlines() if line.strip()]
    assert len(code) <= 5


@pytest.mark.parametrize(
    "group",
    ["attention", "norm", "feedforward", "backbone", "noise", "data", "loss", "optimizer",
     "scheduler", "trainer", "callbacks", "logger", "experiment", "protocol", "baseline"],
)  # fmt: skip
def test_every_group_has_options(group):
    assert options(group)
