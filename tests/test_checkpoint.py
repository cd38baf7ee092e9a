"""Checkpoints: loaded without trusting the file, found again, refused in one line."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, config
from hydra.utils import instantiate
from omegaconf import OmegaConf

from denoise.training.checkpoint import (
    CheckpointError,
    check_targets,
    find_checkpoint,
    load_checkpoint,
    load_model,
)

SMALL = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "run_dir=.")


def plain(*words):
    return OmegaConf.to_container(config(*SMALL, *words), resolve=True)


def save(path, resolved, **changes):
    torch.manual_seed(0)
    net = instantiate(resolved["backbone"], _convert_="all")
    state = {f"net.{name}": weight for name, weight in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "config": resolved} | changes, path)
    return net


@pytest.mark.parametrize("attention", ["mdta", "per_level"])
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
        "import sys; from denoise.training.checkpoint import load_model; load_model(sys.argv[1]);"
        "sys.exit('pytorch_lightning' in sys.modules or 'lightning' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.ckpt"], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "builtins.eval",
        "denoise.norm.torch.load",
        "denoise.backbone.restormer.torch.hub.load",
        "denoise.backbone.restormer.re.sub",
        "denoise.launch.launch",
        "denoise.training.checkpoint.load_model",
        "denoise.norm",
        "denoise.norm.Missing",
        "denoise.attention.missing.MDTA",
        7,
    ],
)
def test_a_config_that_names_anything_else_is_refused(tmp_path, target):
    resolved = plain()
    save(tmp_path / "a.ckpt", resolved)
    resolved["backbone"]["norm"] = {"_target_": target, "_partial_": True}
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True) | {"config": resolved}
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"evil\.ckpt: its config names") as error:
        load_model(tmp_path / "evil.ckpt")
    assert repr(target) in str(error.value)
    assert "\n" not in str(error.value)


def test_targets_are_found_however_deep():
    with pytest.raises(CheckpointError, match=r"os\.system"):
        check_targets({"a": [{"b": ({"_target_": "os.system"},)}]})
    with pytest.raises(CheckpointError, match="not resolved"):
        check_targets({"a": ["${oc.env:HOME}"]})
    check_targets(plain()["backbone"])


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_code_in_a_file_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "config": Bomb()}, "bomb.ckpt")
    with pytest.raises(CheckpointError, match=r"bomb\.ckpt: cannot be read as plain weights"):
        load_model("bomb.ckpt")
    (tmp_path / "bare.ckpt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match=r"bare\.ckpt: cannot be read"):
        load_model("bare.ckpt")
    assert not (tmp_path / "exploded").exists()


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.ckpt: no such checkpoint"):
        load_model(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match=r"text\.ckpt: cannot be read"):
        load_model(tmp_path / "text.ckpt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt: holds no state_dict"):
        load_model(tmp_path / "other.ckpt")
    save(tmp_path / "torn.ckpt", plain(), state_dict={"net.embed.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"torn\.ckpt: config and weights make no model"):
        load_model(tmp_path / "torn.ckpt")


def test_auto_finds_the_newest_of_the_same_name_and_backbone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine, other = plain("name=mine"), plain("name=other")
    assert find_checkpoint(None, mine) is None
    assert find_checkpoint("auto", mine) is None
    for age, (place, resolved) in enumerate(
        [
            ("multirun/d/t/1", other),
            ("outputs/d/t3", plain("name=mine", "attention=swin")),
            ("outputs/d/t2", mine),
            ("outputs/d/t1", mine),
        ]
    ):
        path = tmp_path / place / "checkpoints" / "last.ckpt"
        save(path, resolved)
        os.utime(path, (10**9 - age, 10**9 - age))
    assert find_checkpoint("auto", mine) == "outputs/d/t2/checkpoints/last.ckpt"
    assert find_checkpoint("auto", other) == "multirun/d/t/1/checkpoints/last.ckpt"


def test_resume_refuses_another_backbone(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    path = str(tmp_path / "a.ckpt")
    assert find_checkpoint(path, plain("name=another")) == path
    assert load_checkpoint(path)["config"]["name"] == "default"
    with pytest.raises(CheckpointError, match="trained with another backbone"):
        find_checkpoint(path, plain("norm=dyt"))
