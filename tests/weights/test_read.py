"""Files of weights are read without running anything in them."""

import pickle
import zipfile

import pytest
import torch
from runs import Bomb, is_a_short_line

from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError, read_weights


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


def test_no_flipped_bit_changes_a_weight(tmp_path):
    """Of 60 files with one wrong bit each, all are refused or hold the very weights."""
    path = tmp_path / "a.ckpt"
    generator = torch.Generator().manual_seed(0)
    weights = {f"w{i}": torch.randn(64, generator=generator) for i in range(4)}
    torch.save(weights, path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        position = int(torch.randint(len(whole), (), generator=generator))
        damaged[position] ^= 1 << int(torch.randint(8, (), generator=generator))
        path.write_bytes(damaged)
        try:
            read = read_weights(path)
        except CheckpointError:
            refused += 1
        else:  # the bit is in padding or a date
            assert all(torch.equal(read[name], weights[name]) for name in weights)
    assert refused > 20


def test_the_checksums_of_a_compressed_archive_are_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10**6))
    with pytest.raises(CheckpointError, match="not a checkpoint, or a damaged"):
        read_weights(tmp_path / "a.ckpt")
