"""A config from a file names nothing that acts, and asks for no more than its weights."""

import pytest
import torch
from runs import plain, save

from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError
from denoise.weights.validate import check_targets


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "builtins.eval",
        "denoise.norm.torch.load",
        "denoise.backbone.restormer.torch.hub.load",
        "denoise.backbone.restormer.re.sub",
        "denoise.cli.hydra_main.hydra_main",
        "denoise.weights.load.load_model",
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
    ids=lambda changes: str(changes)[:40],
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


def test_buffers_beyond_the_limit_are_refused(tmp_path):
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
    with pytest.raises(CheckpointError, match="buffers of its config exceed the limit"):
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
        with pytest.raises(CheckpointError, match="not plain tensors"):
            load_model(tmp_path / "evil.ckpt")
