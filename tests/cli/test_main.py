"""The command `denoise`."""

import subprocess
import sys

import pytest
from harness import ROOT

from denoise.cli.main import COMMANDS, main, usage


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["denoise", *arguments])
    main()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_commands_are_listed_with_a_line_each(monkeypatch, capsys, arguments):
    run(monkeypatch, *arguments)
    out = capsys.readouterr().out
    assert out == usage() + "\n"
    for name in COMMANDS:
        shown = name.replace("_", "-")
        (line,) = (line for line in out.splitlines() if line.split()[:1] == [shown])
        assert 10 < len(line) < 100


def test_an_unknown_command_is_refused(monkeypatch):
    with pytest.raises(SystemExit, match=r"^error: there is no command trian: choose .*train, e"):
        run(monkeypatch, "trian", "attention=swin")


@pytest.mark.parametrize("name", ["fetch-data", "fetch_data"])
def test_a_command_runs_with_its_own_file_as_program(monkeypatch, capsys, name):
    run(monkeypatch, name, "list=true")
    assert "kodak24" in capsys.readouterr().out
    assert sys.argv[0].endswith("denoise/cli/fetch_data.py")


def test_the_list_is_shown_without_torch():
    code = (
        "import sys; sys.argv = ['denoise']; from denoise.cli.main import main; main();"
        "assert not {'torch', 'hydra'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["train", "evaluate", *(f"scripts/{n}" for n in COMMANDS[2:])])
def test_the_scripts_are_the_commands(name):
    command = name.rpartition("/")[2]
    code = (ROOT / f"{name}.py").read_text()
    assert f"from denoise.cli.{command} import main" in code
