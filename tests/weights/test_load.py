"""Models are loaded from checkpoints, exported folders and weights of other projects."""

import json
import subprocess
import sys

import pytest
import torch
from harness import ROOT, options
from runs import plain, save

from denoise.export.export_model import write_weights
from denoise.weights.load import load_model, open_model
from denoise.weights.read import CheckpointError


@pytest.mark.parametrize(
    "attention",
    [
        pytest.param(name, marks=() if name in ("mdta", "swin", "unfold") else pytest.mark.slow)
        for name in options("attention")
    ],
)
def test_a_file_becomes_the_model(tmp_path, attention):
    resolved = plain(f"attention={attention}", "norm=dyt")
    net = save(tmp_path / "a.ckpt", resolved)
    loaded, found = load_model(tmp_path / "a.ckpt")
    assert found == resolved
    assert not loaded.training
    x = torch.rand(1, 3, 20, 24)
    torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=0)


def test_loading_needs_no_lightning(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    code = (
        "import sys; from denoise.weights.load import load_model; load_model(sys.argv[1]);"
        "sys.exit('pytorch_lightning' in sys.modules or 'lightning' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.ckpt"], cwd=ROOT, check=True)


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.ckpt: no such checkpoint"):
        load_model(tmp_path / "none.ckpt")
    save(tmp_path / "whole.ckpt", plain())
    whole = (tmp_path / "whole.ckpt").read_bytes()
    for contents in (b"", b"hello", b"version https://git-lfs", b"<html>", whole[:9000]):
        for path in (tmp_path / "a.ckpt", tmp_path / "a.safetensors"):
            path.write_bytes(contents)
            with pytest.raises(CheckpointError) as error:
                load_model(path)
            assert str(error.value) == (
                f"{path}: not a checkpoint, or a damaged one: download or train it again"
            )
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt: holds no state_dict"):
        load_model(tmp_path / "other.ckpt")
    torn = {f"net.part{i}": torch.zeros(1) for i in range(20)}
    save(tmp_path / "torn.ckpt", plain(), state_dict=torn)
    with pytest.raises(CheckpointError, match=r"torn\.ckpt: config and weights make no model"):
        load_model(tmp_path / "torn.ckpt")


def test_any_model_opens(tmp_path):
    net = save(tmp_path / "a.ckpt", plain("channels=1", "backbone.sigma_map=true"))
    opened, found = open_model(tmp_path / "a.ckpt")
    assert (found["backbone"]["in_channels"], found["backbone"]["sigma_map"]) == (1, True)
    assert opened.state_dict().keys() == net.state_dict().keys()
    dncnn = torch.nn.Sequential(
        torch.nn.Conv2d(1, 64, 3, padding=1),
        *(m for _ in range(15) for m in (torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3, padding=1))),
        torch.nn.ReLU(),
        torch.nn.Conv2d(64, 1, 3, padding=1),
    )
    state = {f"model.{name}": weight for name, weight in dncnn.state_dict().items()}
    for suffix in ("pth", "pt", "ckpt"):
        torch.save(state, tmp_path / f"peer.{suffix}")
        peer, found = open_model(tmp_path / f"peer.{suffix}")
        assert found["backbone"] == {"in_channels": 1, "out_channels": 1, "sigma_map": False}
        assert not peer.training
        x = torch.rand(1, 1, 9, 12)
        torch.testing.assert_close(peer(x, torch.tensor([25.0])), (x - dncnn(x)).clamp(0, 1))


def test_an_exported_folder_needs_no_pickle_and_is_not_trusted(tmp_path):
    resolved = plain()
    net = save(tmp_path / "a.ckpt", resolved)
    folder = tmp_path / "out"
    folder.mkdir()
    write_weights(net, resolved, folder / "model.safetensors")
    x = torch.rand(1, 3, 20, 24)
    for place in (folder, folder / "model.safetensors"):
        loaded, found = load_model(place)
        assert found["backbone"] == resolved["backbone"]
        torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=0)
    written = json.loads((folder / "config.json").read_text())
    assert "run_dir" not in written
    written["backbone"]["norm"]["_target_"] = "os.system"
    for text, message in (
        (json.dumps(written), r"its config names 'os\.system'"),
        ("[" * 10**5, "not valid JSON"),
        ("{}", "holds no state_dict"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=message) as error:
            load_model(folder)
        assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_model(tmp_path)
