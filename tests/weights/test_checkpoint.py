"""Checkpoints: loaded without trusting the file, found again, refused in one line."""

import json
import os
import pickle
import subprocess
import sys

import pytest
import torch
from deepinv.models.restormer import Restormer as Official
from harness import ROOT, options, randomize
from hydra.utils import instantiate
from runs import plain, save
from safetensors.torch import save_file

from denoise.export.export_model import write_weights
from denoise.weights.checkpoint import (
    CheckpointError,
    check_targets,
    find_checkpoint,
    load_checkpoint,
    load_model,
    open_model,
)


@pytest.mark.parametrize("attention", options("attention"))
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
        "import sys; from denoise.weights.checkpoint import load_model; load_model(sys.argv[1]);"
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
        "denoise.cli.hydra_main.launch",
        "denoise.weights.checkpoint.load_model",
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


def is_a_short_line(error):
    text = str(error.value)
    return "\n" not in text and len(text) < 200 and "weights_only" not in text


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


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
                f"{path}: is no checkpoint or a damaged one: download or train it again"
            )
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt: holds no state_dict"):
        load_model(tmp_path / "other.ckpt")
    torn = {f"net.part{i}": torch.zeros(1) for i in range(20)}
    save(tmp_path / "torn.ckpt", plain(), state_dict=torn)
    with pytest.raises(CheckpointError, match=r"torn\.ckpt: config and weights make no model"):
        load_model(tmp_path / "torn.ckpt")


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": 10**6},
        {"dim": 10**12},
        {"dim": 9},
        {"num_blocks": [10**6, 1, 1, 1]},
        {"num_blocks": [1] * 10**5},
        {"num_blocks": [-(10**9), 10**9, 1, 1]},
        {"num_blocks": "1111"},
        {"num_refinement_blocks": 10**9},
        {"in_channels": 10**9},
        {"_partial_": True},
        {"num_heads": [1, 1, 1, 3]},
        {"unheard": 1},
    ],
    ids=str,
)
def test_an_absurd_config_is_refused_before_it_takes_memory(tmp_path, changes, monkeypatch):
    resolved = plain()
    save(tmp_path / "a.ckpt", resolved)
    resolved["backbone"] |= changes
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True) | {"config": resolved}
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    made = []

    def note(self, *args, **kwargs):
        made.append(torch.get_default_device().type)

    monkeypatch.setattr(torch.nn.Conv2d, "reset_parameters", note)
    with pytest.raises(CheckpointError, match=r"evil\.ckpt: ") as error:
        load_model(tmp_path / "evil.ckpt")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert set(made) <= {"meta"}
    assert len(made) < 1000


def test_tables_beyond_all_measure_are_refused(tmp_path):
    resolved = plain("attention=swin")
    save(tmp_path / "a.ckpt", resolved)
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    for part in (resolved["backbone"]["attention"], resolved["attention"]):
        part["window_size"] = 200
    state = {
        name: torch.zeros(399**2, weight.shape[1]) if "position_bias" in name else weight
        for name, weight in checkpoint["state_dict"].items()
    }
    torch.save({"state_dict": state, "config": resolved}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="tables beyond all measure"):
        load_model(tmp_path / "evil.ckpt")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_weights_that_claim_more_than_the_file_holds_are_refused(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    state = checkpoint["state_dict"]
    huge = state | {"net.embed.weight": torch.zeros(1).expand(10**6, 10**6)}
    torch.save(checkpoint | {"state_dict": huge}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="larger than the file"):
        load_model(tmp_path / "evil.ckpt")
    for odd in (7, torch.zeros(2, 2).to_sparse()):
        wrong = state | {"net.embed.weight": odd}
        torch.save(checkpoint | {"state_dict": wrong}, tmp_path / "evil.ckpt")
        with pytest.raises(CheckpointError, match="no plain tensors"):
            load_model(tmp_path / "evil.ckpt")


PUBLISHED = [("BiasFree", False), ("BiasFree", True), ("WithBias", False), ("WithBias", True)]


@pytest.mark.parametrize(("kind", "bias"), PUBLISHED, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("wrap", ["params", "params_ema", None])
def test_a_published_restormer_is_known_by_its_weights(tmp_path, kind, bias, channels, wrap):
    blocks, heads, factor = (1, 2, 1, 1), (1, 2, 2, 4), 2.2 if channels == 1 else 2.66
    sizes = (channels, channels, 8, blocks, 1, heads, factor, bias, kind)
    official = randomize(Official(*sizes, pretrained=None))
    with torch.no_grad():
        for parameter in official.parameters():
            parameter *= 0.4
    state = official.state_dict()
    torch.save({wrap: state} if wrap else state, tmp_path / "a.pth")
    net, found = load_model(tmp_path / "a.pth")
    assert found["channels"] == channels
    assert found["backbone"]["num_heads"] == list(heads)
    x = torch.rand(2, channels, 24, 40, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        expected = official.double()(x)
        assert expected.abs().max() < 100
        torch.testing.assert_close(net.double()(x), expected, rtol=0, atol=1e-10)
    again = instantiate(found["backbone"], _convert_="all")
    again.load_state_dict(net.state_dict())


def test_a_published_restormer_with_a_part_missing_is_named(tmp_path):
    state = Official(3, 3, 8, (1, 1, 1, 1), 1, pretrained=None).state_dict()
    for name in ("latent.0.attn.temperature", "refinement.0.norm1.body.weight"):
        torch.save({"params": {k: v for k, v in state.items() if k != name}}, tmp_path / "a.pth")
        with pytest.raises(CheckpointError, match=r"a\.pth: .*(temperature|norm1).*"):
            load_model(tmp_path / "a.pth")
    dual = state | {"skip_conv.weight": torch.zeros(16, 8, 1, 1)}
    torch.save({"params": dual}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"skip_conv\.weight is missing in the config"):
        load_model(tmp_path / "a.pth")


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


@pytest.mark.parametrize(
    "contents",
    [[torch.zeros(1)], {"conv1.weight": torch.zeros(64, 3, 7, 7)}, {"a": 1}],
    ids=["list", "resnet", "numbers"],
)
def test_what_nobody_knows_is_named(tmp_path, monkeypatch, contents):
    monkeypatch.chdir(tmp_path)
    torch.save(contents, "a.pt")
    if "conv1.weight" in contents:
        save_file(contents, "a.safetensors")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r"give one of these$") as error:
            open_model(path.name)
        assert str(error.value).startswith(f"{path.name}: spandrel knows no such model, and it is")
        assert is_a_short_line(error)


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.ckpt").touch()
    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(CheckpointError, match=r"a\.ckpt: may not be read by you: change"):
        load_model(tmp_path / "a.ckpt")


def test_code_in_a_peers_file_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("bomb.pth", "bomb.pt"):
        torch.save({"params": Bomb()}, name)
        with pytest.raises(ValueError, match=f"^{name}: holds more than weights"):
            open_model(name)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)).save("script.pt")
    with pytest.raises(ValueError, match=r"^script\.pt: holds more than weights") as error:
        open_model("script.pt")
    assert is_a_short_line(error)
    assert not (tmp_path / "exploded").exists()


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
        ("[" * 10**5, "is no JSON"),
        ("{}", "holds no state_dict"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=message) as error:
            load_model(folder)
        assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_model(tmp_path)


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
