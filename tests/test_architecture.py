"""The rules of the house: who may import whom, that names match, that files stay small."""

import ast
import inspect
import subprocess

import pytest
from harness import ROOT, options
from hydra.utils import get_object
from omegaconf import OmegaConf

FLOORS = {
    "receptive_field": -2, "malloc": -2, "option_checks": -2, "errors": -2,
    "plain_text": -2, "plugins": -2,
    "properties": -1, "layers": -1,
    "attention": 0, "norm": 0, "feedforward": 0, "noise": 0, "losses": 0, "metrics": 0,
    "backbone": 1, "image_io": 1,
    "data": 2, "inference": 2, "weights": 2,
    "evaluation": 3, "results": 4,
    "training": 5, "study": 5, "export": 5, "benchmark": 5,
    "cli": 6, "api": 7,
}  # fmt: skip
PACKAGE = ROOT / "denoise"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path.relative_to(PACKAGE) for path in FILES if path.name != "__init__.py"]
# Words of earlier versions that the field does not use.
PRIVATE_WORDS = {
    "blockers", "by_tiles", "at_once", "fastest", "refusal", "to_unit", "photographed",
    "Extremes", "conclude", "handover", "keep_freed_memory", "configure", "check_kinds",
    "Facts", "Reach", "Peer", "literal", "steered", "framed", "_Squash", "lot",
    "around", "deep", "form", "forms", "half", "halves", "here", "kind", "kinds", "made", "maker",
    "piece", "place", "places", "told", "why", "word", "words",
}  # fmt: skip


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def names(path):
    """Names that a file defines or sets."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts
    name = str(path.relative_to(ROOT))
    for module in imports(path):
        top, *rest = module.split(".")
        if room == ("__init__",):
            assert top in ("importlib", "typing") or module == "denoise.api", f"imports {module}"
        elif top == "denoise":
            assert rest, f"{name} imports denoise itself"
            same = rest[0] == room[0]
            assert same or FLOORS[rest[0]] < FLOORS[room[0]], f"{name} imports {module}"
            assert not (same and room[0] == "attention"), f"{name} imports its sibling {module}"
        elif top in ("pytorch_lightning", "lightning"):
            assert room[0] in ("training", "cli"), f"{name} imports {module}"
        elif top in ("hydra", "omegaconf"):
            assert room[0] in ("cli", "api", "weights"), f"{name} imports {module}"


def test_every_folder_has_a_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms - {"__init__"} == set(FLOORS)


def test_every_file_has_a_test_of_its_name():
    def has_test(path):
        return (ROOT / "tests" / path.with_name(f"test_{path.name}")).is_file()

    assert not [str(path) for path in MODULES if not has_test(path)]


@pytest.mark.parametrize(("folder", "most"), [("denoise", 300), ("tests", 400)])
def test_files_stay_small(folder, most):
    lines = {path: path.read_text().count("\n") for path in (ROOT / folder).rglob("*.py")}
    long = {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > most}
    assert not long, f"more than {most} lines"


def test_no_dumping_grounds():
    folders = [ROOT / name for name in ("denoise", "scripts", "tests", "docs")]
    stems = {path.stem for folder in folders for path in folder.rglob("*.py")}
    stems |= {path.stem for path in ROOT.glob("*.py")}
    assert not stems & {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_fields(path):
    assert not PRIVATE_WORDS & set(names(path))


def test_no_paths_of_a_machine():
    roots = ["/" + root + "/" for root in ("home", "root", "work", "opt", "Users", "private")]
    texts = tracked("*.py", "*.yaml", "*.md", "*.toml", "*.cff", "Makefile", ".ci", "docs")
    found = [
        f"{path.relative_to(ROOT)}: {root}"
        for path in texts
        if path.suffix not in (".png", ".jpg", ".ico", ".gz")
        for root in roots
        if f" {root}" in (text := path.read_text()) or f'"{root}' in text or f"={root}" in text
    ]
    assert not found


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


@pytest.mark.parametrize("group", ["attention", "norm", "feedforward", "backbone", "noise"])
def test_defaults_of_classes_are_those_of_the_yamls(group):
    for name in options(group):
        path = ROOT / "configs" / group / f"{name}.yaml"
        chosen = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        if "_target_" not in chosen:
            continue  # changes some options of another yaml
        parameters = inspect.signature(get_object(chosen["_target_"])).parameters.values()
        stated = {p.name: p.default for p in parameters if p.default is not p.empty}
        stated.pop("level", None)  # the backbone gives it
        chosen = {k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()}
        assert stated == {option: chosen.get(option) for option in stated}, path
