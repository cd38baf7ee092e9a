"""The README and the pages of the docs: commands compose or run, figures and files exist."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT, config, options
from runs import plain, save

from denoise.cli.main import COMMANDS
from denoise.cli.overrides import hydra_arguments

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "data/README.md", *(ROOT / "docs").glob("*.md")]
SCRIPTS = {"train.py": "train", "evaluate.py": "evaluate"}
SCRIPTS |= {f"scripts/{path.name}": path.stem for path in (ROOT / "scripts").glob("*.py")}


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def commands(path):
    """Yield the commands of a page's shell blocks, without comments."""
    for block in blocks(path, "sh"):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def called(words):
    """Name the command of this package that a line calls, and its arguments; None for others."""
    if words[0] == "denoise":
        return words[1].replace("-", "_"), words[2:]
    if words[0] == "python" and words[1] in SCRIPTS:
        return SCRIPTS[words[1]], words[2:]
    return None


OWN_PARTS = "plugins=[./mine]"  # commands with it are run by tests/docs/test_own_parts.py
COMMAND_LINES = sorted(
    {tuple(words) for path in PAGES for words in commands(path) if OWN_PARTS not in words}
)
OURS = [
    pytest.param(*called(words), id=" ".join(words)) for words in COMMAND_LINES if called(words)
]
OTHERS = [pytest.param(words, id=" ".join(words)) for words in COMMAND_LINES if not called(words)]


def test_there_are_commands_to_test():
    assert {command.values[0] for command in OURS} >= {"train", "evaluate", "restore", "export"}


@pytest.mark.parametrize(("name", "arguments"), OURS)
def test_our_commands_compose(name, arguments):
    assert name in COMMANDS
    positional = {"fetch_data": "sets", "study": "action", "check": "part"}.get(name)
    overrides = [a for a in hydra_arguments(arguments, positional) if not a.startswith("-")]
    for pick in (0, -1):  # of the values of a sweep
        composed = config(*(swept(override, pick) for override in overrides), name=name)
        assert composed


def swept(override, pick):
    """Choose the first or the last value of an override that a sweep goes through."""
    key, _, value = override.partition("=")
    if value == "glob(*)":
        return f"{key}={options(key)[pick]}"
    return override if value[:1] in ("[", "'") else f"{key}={value.split(',')[pick]}"


@pytest.mark.parametrize("words", OTHERS)
def test_other_commands_exist(words):
    match words:
        case ["make", *targets]:
            done = subprocess.run(
                ["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        case ["pip", "install", "."] | ["pip", "install", "numpy", "onnxruntime", "pillow"]:
            pass
        case ["pip", "install", package]:
            extra = re.fullmatch(r"\.\[(\w+)\]", package)[1]
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert extra in project["optional-dependencies"]
        case ["python" | ".venv/bin/python", "-m", "pytest", "-k", _]:
            pass
        case ["python", "-m", "pytest", folder]:
            assert (ROOT / folder).is_dir()
        case [".venv/bin/python", script, _]:
            assert (ROOT / script).is_file()
        case ["python", script, *_] if script.startswith("docs/examples/"):
            assert (ROOT / script).is_file()
        case ["python", "run.py", _, _]:  # of an exported folder
            assert (ROOT / "denoise/export/runner.py").is_file()
        case _:
            assert words[0] in ("git", "cd", "tensorboard"), words


@pytest.mark.parametrize("page", ["README.md", "docs/getting_started.md"])
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("best.ckpt", "outputs/DATE/TIME/checkpoints/best.ckpt"):
        save(tmp_path / place, plain())
    names = {"noisy": np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)}
    for block in blocks(ROOT / page, "python"):
        exec(block, names)
    assert names["clean"].shape == (20, 30, 3)
    assert names["clean"].dtype == np.uint8


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not target.startswith("https://") and "generated/" not in target:  # made by make docs
            assert (path.parent / target).is_file(), target


def test_readme_is_short_and_shows_a_picture():
    text = README.read_text()
    assert len(text.split()) <= 1000
    assert "![" in text


def test_verdicts_of_the_readme_are_those_of_the_study():
    studies = ("attention", "norm", "window_shift")
    page = "".join((ROOT / f"docs/study/{name}/index.md").read_text() for name in studies)
    row = r"^\| .* \| (\w+) \| ([+-][\d.]+) \(([+-][\d.]+) to ([+-][\d.]+)\) \|$"
    rows = re.findall(row, README.read_text(), re.MULTILINE)
    assert len(rows) == 7
    for verdict, difference, low, high in rows:
        figure = f", {difference} dB (95 % interval {low} to {high}"
        assert re.search(rf": {verdict}[^,]*{re.escape(figure)}", page), figure


def test_the_tree_is_the_tree():
    tree = re.search(r"```text\n(README\.md.*?)```", README.read_text(), re.DOTALL)[1]
    listed, folder = set(), ROOT
    for line in tree.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split()
        folder = folder if line.startswith(" ") else ROOT
        for name in names:
            assert (folder / name).exists(), f"{folder / name} is in the README's tree"
            listed.add(folder / name)
        if not line.startswith(" ") and names[0].endswith("/"):
            folder = ROOT / names[0]
    rooms = {path.parent for path in ROOT.glob("denoise/*/__init__.py")}
    assert rooms <= {Path(path) for path in listed}
