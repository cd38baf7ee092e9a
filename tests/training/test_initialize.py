"""A training starts from weights: its own, of another attention, of a file that is none."""

import pytest
import torch
from runs import plain, save

from denoise.api import build
from denoise.export.export_model import write_weights
from denoise.training.initialize import freeze, initialize
from denoise.weights.read import CheckpointError

SMALL = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]")
OPTIONS = {"backbone.dim": 8, "backbone.num_blocks": [1, 1], "backbone.num_heads": [1, 2]}


def weights(net):
    return {name: weight.clone() for name, weight in net.state_dict().items()}


def test_weights_of_the_same_network_are_copied(tmp_path):
    donor = save(tmp_path / "a.ckpt", plain(*SMALL))
    started = build(**OPTIONS)
    line = initialize(started, tmp_path / "a.ckpt")
    assert line.startswith(f"starting from {tmp_path / 'a.ckpt'}: {len(weights(donor))} of ")
    for name, weight in donor.state_dict().items():
        assert torch.equal(weight, started.state_dict()[name])


def test_another_attention_is_refused_or_keeps_its_mixers(tmp_path):
    donor = save(tmp_path / "a.ckpt", plain(*SMALL, "attention=mdta")).state_dict()
    started = build("swin", **OPTIONS)
    before = weights(started)
    with pytest.raises(CheckpointError, match=r"init_strict=false") as error:
        initialize(started, tmp_path / "a.ckpt")
    assert "mixer" in str(error.value)
    assert all(torch.equal(before[name], w) for name, w in started.state_dict().items())
    line = initialize(started, tmp_path / "a.ckpt", strict=False)
    assert "not in the network (encoder.0.0.mixer." in line
    for name, weight in started.state_dict().items():
        fits = name in donor and donor[name].shape == weight.shape
        assert torch.equal(weight, donor[name] if fits else before[name]), name
        assert fits or "mixer" in name


def test_what_fits_nowhere_is_refused_even_if_not_strict(tmp_path):
    save(tmp_path / "a.ckpt", plain(*SMALL, "backbone.dim=16"))
    with pytest.raises(CheckpointError, match="weights of a network like this one"):
        initialize(torch.nn.Linear(2, 2), tmp_path / "a.ckpt", strict=False)


def test_half_precision_weights_start_a_full_precision_network(tmp_path):
    resolved = plain(*SMALL)
    donor = save(tmp_path / "a.ckpt", resolved)
    write_weights(donor, resolved, tmp_path / "model.safetensors", half_precision=True)
    started = build(**OPTIONS)
    initialize(started, tmp_path)
    for name, weight in donor.state_dict().items():
        assert started.state_dict()[name].dtype == torch.float32
        assert torch.equal(started.state_dict()[name], weight.half().float())


def test_freeze():
    net = build(**OPTIONS)
    line = freeze(net, ["encoder.*", "embed.weight"])
    fixed = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert fixed == {
        name for name, _ in net.named_parameters() if name.startswith(("encoder.", "embed."))
    }
    training = sum(p.numel() for p in net.parameters() if p.requires_grad)
    total = sum(p.numel() for p in net.parameters())
    assert line == f"training {training:,} of {total:,} parameters"


@pytest.mark.parametrize(
    ("patterns", "message"),
    [(["encoders.*"], "matches no parameter.*embed, encoder"), (["*"], "nothing to train")],
)
def test_freeze_refuses(patterns, message):
    with pytest.raises(ValueError, match=message):
        freeze(build(**OPTIONS), patterns)


def test_a_run_starts_from_weights_and_keeps_the_frozen(train):
    first = train("trainer.max_steps=1", "trainer.val_check_interval=1", name="first")
    start = torch.load(first / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    second = train(
        "trainer.max_steps=2", "trainer.val_check_interval=2", "seed=3",
        "init=first/checkpoints/last.ckpt", "freeze=[embed.*,encoder.*]", name="second",
    )  # fmt: skip
    ended = torch.load(second / "checkpoints/last.ckpt", weights_only=True)
    assert ended["global_step"] == 2
    for name, weight in ended["state_dict"].items():
        if name.startswith("net."):
            frozen = name.startswith(("net.embed", "net.encoder"))
            assert torch.equal(weight, start[name]) == frozen, name
