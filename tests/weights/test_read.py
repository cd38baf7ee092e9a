"""Files of weights are read without running anything in them."""

import pickle

import pytest
import torch
from runs import Bomb, is_a_short_line

from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError


def test_code_in_a_file_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "config": Bomb()}, "bomb.ckpt")
    for protocol in (1, 2, 4, 5):
        (tmp_path / f"bare{protocol}.pkl").write_bytes(pickle.dumps({"a": Bomb()}, protocol))
    (tmp_path / "text.pth").write_bytes(b"cos\nmkdir\n(S'exploded'\ntR.")
    for name in ("bomb.ckpt", "text.pth", *(f"bare{protocol}.pkl" for protocol in (1, 2, 4, 5))):
        with pytest.raises(CheckpointError, match=f"^{name}: holds more than weights") as error:
            load_model(name)
        assert is_a_short_line(error)
    assert not (tmp_path / "exploded").exists()


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.ckpt").touch()
    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(CheckpointError, match=r"a\.ckpt: not readable by you: change"):
        load_model(tmp_path / "a.ckpt")
