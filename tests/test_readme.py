"""Every command of the README is there to be run, and every figure's file exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, config, options

from denoise.cli.overrides import hydra_arguments

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:sh|bash)\n(.*?)```", README, re.DOTALL)
LINES = [
    line.split("  #")[0].strip()
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
]
COMMANDS = [shlex.split(line) for line in LINES if line and not line.startswith("#")]


def starting(*words):
    return [pytest.param(c, id=" ".join(c)) for c in COMMANDS if c[: len(words)] == list(words)]


@pytest.mark.parametrize("command", starting("python", "train.py"))
def test_training_composes(command):
    words = [word for word in command[2:] if word != "-m"]
    choices = [word.split("=", 1) for word in words]
    first = [f"{key}={value.split(',')[0] if value[0] not in '[' else value}"
             for key, value in choices]  # fmt: skip
    last = [f"{key}={value.split(',')[-1] if value[0] not in '[' else value}"
            for key, value in choices]  # fmt: skip
    assert config(*first).backbone
    assert config(*last).backbone


@pytest.mark.parametrize("command", starting("python", "evaluate.py"))
def test_evaluation_composes(command):
    assert config(*command[2:], name="evaluate").checkpoint


@pytest.mark.parametrize("command", starting("python"))
def test_scripts_compose(command):
    name = Path(command[1]).stem
    if command[1].startswith("scripts/") and (ROOT / "configs" / f"{name}.yaml").exists():
        positional = {"benchmark": "suite", "fetch_data": "sets"}.get(name)
        made = config(*hydra_arguments(command[2:], positional), name=name)
        assert made[positional or "checkpoint"]


@pytest.mark.parametrize("command", starting("make"))
def test_make_knows_the_word(command):
    done = subprocess.run(["make", "-n", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_scripts_answer_for_help():
    scripts = {c[1] for c in COMMANDS if c[0] == "python" and c[1].startswith("scripts/")}
    for script in scripts:
        subprocess.run(
            [sys.executable, script, "--help"], cwd=ROOT, check=True, capture_output=True
        )


def test_every_command_is_tested():
    known = ("python train.py", "python evaluate.py", "python scripts/", "make", "git clone", "cd ",
             "tensorboard ", "pip install")  # fmt: skip
    assert COMMANDS
    for line in LINES:
        if line and not line.startswith("#"):
            assert line.startswith(known), line


def test_pictures_exist():
    places = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert places
    for place in places:
        assert (ROOT / place).is_file(), place


def test_the_tree_is_the_tree():
    tree = re.search(r"```text\n(README\.md.*?)```", README, re.DOTALL)[1]
    folder = ROOT
    for line in tree.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split()
        folder = folder if line.startswith(" ") else ROOT
        for name in names:
            assert (folder / name).exists(), f"{folder / name} is in the README's tree"
        if not line.startswith(" ") and names[0].endswith("/"):
            folder = ROOT / names[0]


def test_the_groups_are_the_groups():
    table = README.partition("| group | words |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|", table, re.MULTILINE)
    groups = [path.name for path in (ROOT / "configs").iterdir() if path.is_dir()]
    listed = {group: words.split(", ") for group, words in rows}
    assert listed == {group: options(group) for group in groups}
