"""The command that exports a model."""

import json

import pytest
from runs import plain, save


def test_a_model_is_exported_and_its_checks_shown(command, tmp_path, capsys):
    save(tmp_path / "a.ckpt", plain("backbone.num_refinement_blocks=0"))
    command("export", "checkpoint=a.ckpt", "output=k=1, out", "format=safetensors")
    folder = tmp_path / "k=1, out"
    out = capsys.readouterr().out
    files = json.loads((folder / "model.json").read_text())
    assert files
    assert (folder / "model.safetensors").is_file()
    assert "written to k=1, out: README.md, model.json" in out
    with pytest.raises(SystemExit, match=r"^error: .*overwrite"):
        command("export", "checkpoint=a.ckpt", "output=k=1, out", "format=safetensors")


def test_what_cannot_be_exported_is_refused(command):
    with pytest.raises(SystemExit, match=r"^error: nothing\.ckpt"):
        command("export", "checkpoint=nothing.ckpt", "output=out")
