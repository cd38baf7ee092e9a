"""results.json: complete or absent, with what is needed to repeat the run."""

import json
import sys
from importlib.metadata import version

import pytest
import torch

from denoise.results import record
from denoise.results.record import environment, revision, write_failure, write_results


def test_results_are_written_as_they_are(tmp_path):
    results = {"protocol": "kair", "average": [], "environment": environment()}
    path = write_results(tmp_path / "run", results)
    assert path == tmp_path / "run" / "results.json"
    assert json.loads(path.read_text()) == results
    assert path.read_text().endswith("}\n")
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_results_are_strict_json(tmp_path):
    path = write_results(tmp_path, {"average": [{"psnr": float("inf"), "set": "\udce9"}]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "average": [{"psnr": None, "set": "\\xe9"}]
    }


def test_a_file_is_written_completely_or_not_at_all(tmp_path):
    path = write_results(tmp_path, {"protocol": "kair"})
    with pytest.raises(TypeError):
        write_results(tmp_path, {"protocol": torch.zeros(1)})
    assert json.loads(path.read_text()) == {"protocol": "kair"}


def test_a_failure_names_its_error(tmp_path):
    path = write_failure(tmp_path, ("seed=1",), ValueError("sigma=-1\nis negative"))
    written = json.loads(path.read_text())
    assert written["overrides"] == ["seed=1"]
    assert written["error"] == "ValueError: sigma=-1\nis negative"
    assert written["environment"].keys() == environment().keys()


def test_the_environment_is_that_of_this_process(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "attention=swin", "seed=1"])
    found = environment()
    assert found["command"] == "train.py attention=swin seed=1"
    assert found["packages"]["torch"] == version("torch")
    assert found["threads"] == torch.get_num_threads()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_outside_git_there_is_no_revision(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "__file__", str(tmp_path / "record.py"))
    assert revision() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision() is None
