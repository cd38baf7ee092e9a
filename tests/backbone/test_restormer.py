"""The backbone against the published one, and at every size, width and composition."""

from functools import partial
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from deepinv.models.restormer import Restormer as Official
from harness import assert_same, config, make, options, randomize
from hydra.errors import InstantiationException

from denoise.layers.patch_merging import PatchMerging
from denoise.weights.published_restormer import from_official

SMALL = ("backbone.dim=8", "backbone.num_blocks=[1,2,1,1]", "backbone.num_refinement_blocks=1")


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)).double()


@pytest.mark.parametrize(
    ("norm", "kind", "bias"),
    [
        ("layernorm_biasfree", "BiasFree", False),
        ("layernorm", "WithBias", False),
        ("layernorm", "WithBias", True),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_is_the_papers_model(norm, kind, bias, channels):
    official = Official(
        channels, channels, 8, (1, 2, 1, 1), 1, bias=bias, LayerNorm_type=kind, pretrained=None
    )
    randomize(official).double()
    biases = [f"{key}.bias={bias}" for key in ("backbone", "attention", "feedforward")]
    net = make("backbone", *SMALL, f"norm={norm}", f"channels={channels}", *biases).double()
    net.load_state_dict(from_official(official.state_dict()), strict=True)
    theirs = from_official(dict(official.named_parameters()))
    ours = dict(net.named_parameters())
    assert_same((net, ours), (official, theirs), image(2, channels, 24, 32))


@pytest.mark.parametrize(
    ("norm", "count"), [("layernorm", 26_126_644), ("layernorm_biasfree", 26_111_668)]
)
def test_base_has_the_papers_parameters(norm, count):
    with torch.device("meta"):
        net = make("backbone", "backbone=base", f"norm={norm}")
    assert sum(p.numel() for p in net.parameters()) == count


@pytest.mark.parametrize("attention", options("attention"))
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (13, 16), (33, 40)], ids=str)
def test_any_size(attention, size):
    net = randomize(make("backbone", *SMALL, f"attention={attention}")).double()
    out = net(image(2, 3, *size))
    assert out.shape == (2, 3, *size)
    out.mean().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_pads_by_reflection_and_crops():
    net = randomize(make("backbone", *SMALL).double())
    x = image(1, 3, 13, 18)
    padded = net(F.pad(x, (0, 6, 0, 3), mode="reflect"))
    torch.testing.assert_close(net(x), padded[..., :13, :18], rtol=0, atol=1e-12)


def test_pads_by_replication_where_reflection_ends():
    net = randomize(make("backbone", *SMALL).double())
    x = image(1, 3, 3, 8)
    rows = [0, 1, 2, 1, 0, 0, 0, 0]
    torch.testing.assert_close(net(x), net(x[:, :, rows])[..., :3, :], rtol=0, atol=1e-12)


NORMS, FEEDFORWARDS = options("norm"), options("feedforward")
COMPOSITIONS = [("mdta", *rest) for rest in product(NORMS, FEEDFORWARDS)] + [
    (word, NORMS[k % len(NORMS)], FEEDFORWARDS[k % len(FEEDFORWARDS)])
    for k, word in enumerate(options("attention"))
]


@pytest.mark.parametrize("words", COMPOSITIONS, ids="-".join)
def test_every_parameter_learns_within_two_steps(words):
    groups = ("attention", "norm", "feedforward")
    overrides = [f"{group}={word}" for group, word in zip(groups, words, strict=True)]
    net = make("backbone", *SMALL, *overrides)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    moved = set()
    for _ in range(2):  # a projection that starts at zero hides what lies before it at first
        net.zero_grad()
        net(image(1, 3, 16, 24).float()).square().mean().backward()
        moved |= {name for name, p in net.named_parameters() if p.grad.abs().sum() > 0}
        optimizer.step()
    assert moved == {name for name, _ in net.named_parameters()}


def test_channels_are_free():
    net = make("backbone", *SMALL, "backbone.in_channels=4", "backbone.out_channels=2").double()
    assert net(image(1, 4, 9, 9)).shape == (1, 2, 9, 9)


def test_sigma_map_is_one_more_channel():
    net = randomize(make("backbone", *SMALL, "backbone.sigma_map=true").double())
    plain = randomize(make("backbone", *SMALL).double())
    plain.load_state_dict(net.state_dict() | {"embed.weight": net.embed.weight[:, :3]})
    x = image(2, 3, 16, 16)
    torch.testing.assert_close(net(x, torch.zeros(2)), plain(x))
    low, high = net(x, torch.tensor([10.0, 50.0])), net(x, torch.tensor([10.0, 20.0]))
    torch.testing.assert_close(low[0], high[0])
    assert (low[1] - high[1]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="sigma"):
        net(x)


def test_noise_level_of_each_pixel_is_one_more_channel():
    net = randomize(make("backbone", *SMALL, "backbone.sigma_map=signal").double())
    noisy = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    line = torch.tensor([[0.01, 1e-4], [0.0, 4e-4]], dtype=torch.float64)
    with torch.no_grad():
        restored = net(noisy, line)
        alike = net(noisy[1:], torch.tensor([0.02 * 255], dtype=torch.float64))
        net.sigma_map = False
        deviation = (
            line[:, 0].view(2, 1, 1, 1) * noisy.mean(1, keepdim=True) + line[:, 1].view(2, 1, 1, 1)
        ).sqrt()
        expected = net(torch.cat([noisy, deviation], 1))
    torch.testing.assert_close(restored, expected + noisy)
    torch.testing.assert_close(restored[1:], alike)


def test_a_map_of_another_name_is_refused():
    with pytest.raises(InstantiationException, match="sigma_map=pixel"):
        make("backbone", *SMALL, "backbone.sigma_map=pixel")


def test_attention_differs_per_level():
    words = [f"attention@attention.level{i + 1}={n}" for i, n in enumerate(("mdta", "none"))]
    net = make("backbone", "attention=per_level", *words)
    kinds = [type(getattr(stage[0], "mixer", None)).__name__ for stage in net.encoder]
    assert kinds == ["MDTA", "NoneType", "ShiftedWindowAttention", "MDTA"]
    assert type(net.decoder[0][0].mixer) is type(net.encoder[0][0].mixer)


def test_no_attention_leaves_half_a_block():
    net = make("backbone", "attention=none", *SMALL).double()
    block = randomize(net.encoder[0][0])
    x = image(1, 8, 5, 7)
    torch.testing.assert_close(block(x), x + block.feedforward(block.norm2(x)))
    assert not any("norm1" in name for name in net.state_dict())


def test_blocks_know_their_place():
    net = make("backbone", "attention=swin", "backbone.num_blocks=[1,2,3,3]")
    shifts = [[block.mixer.shift for block in stage] for stage in net.encoder]
    assert shifts == [[0], [0, 4], [0, 4, 0], [0, 4, 0]]


def test_refuses_what_does_not_fit():
    with pytest.raises(Exception, match=r"num_heads\[1\]=3 does not divide"):
        make("backbone", "backbone.num_heads=[1,3,4,8]")
    with pytest.raises(Exception, match="num_heads 2"):
        make("backbone", "backbone.num_heads=[1,2]")


def test_is_handed_its_attention():
    def identity(dim, num_heads, index):
        calls.append((dim, num_heads, index))
        return torch.nn.Identity()

    def identity_of_level(dim, num_heads, index, level):
        calls.append((dim, num_heads, index, level))
        return torch.nn.Identity()

    calls = []
    cfg = config(*SMALL)
    make_net = partial(
        type(make("backbone", *SMALL)),
        norm=torch.nn.BatchNorm2d,
        feedforward=lambda dim: torch.nn.Conv2d(dim, dim, 1),
        in_channels=3,
        out_channels=3,
        **{k: cfg.backbone[k] for k in ("dim", "num_blocks", "num_heads", "num_refinement_blocks")},
    )
    encoder = [(8, 1, 0), (16, 2, 0), (16, 2, 1), (32, 4, 0), (64, 8, 0)]
    make_net(identity)
    decoder = [(16, 1, 1), (16, 2, 2), (16, 2, 3), (32, 4, 1), (16, 1, 2)]  # counts go on
    assert calls == encoder + decoder
    calls.clear()
    make_net(identity, block_index="restarted")
    assert calls == [*encoder, (16, 1, 0), (16, 2, 0), (16, 2, 1), (32, 4, 0), (16, 1, 0)]
    calls.clear()
    make_net(identity_of_level)
    assert [call[3] for call in calls] == [0, 1, 1, 2, 3, 0, 1, 1, 2, 0]
    with pytest.raises(ValueError, match="block_index=odd is unknown"):
        make_net(identity, block_index="odd")


@pytest.mark.parametrize("attention", [a for a in options("attention") if a != "mdta"])
def test_networks_of_one_seed_differ_in_the_mixer_alone(attention):
    torch.manual_seed(3)
    mdta = make("backbone", *SMALL).state_dict()
    torch.manual_seed(3)
    other = make("backbone", *SMALL, f"attention={attention}").state_dict()
    shared = [name for name in mdta if ".mixer." not in name and name in other]
    own = {name for name in other if name not in mdta}
    assert all(torch.equal(mdta[name], other[name]) for name in shared)
    assert len(shared) > 40
    assert all(".mixer." in name for name in own), own
    torch.manual_seed(4)
    again = make("backbone", *SMALL, f"attention={attention}").state_dict()
    assert not torch.equal(again["embed.weight"], other["embed.weight"])


@pytest.mark.parametrize(
    ("attention", "option", "values"),
    [
        ("pvt", "sr_ratio", [8, 4, 2, 1]),
        ("vit", "patch_size", [8, 4, 2, 1]),
        ("cswin", "stripe_width", [1, 2, 7, 7]),
        ("dat", "groups", [1, 2, 4, 8]),
    ],
)
def test_options_by_level(attention, option, values):
    net = make("backbone", *SMALL, f"attention={attention}")
    assert [getattr(stage[0].mixer, option) for stage in net.encoder] == values
    assert [getattr(stage[0].mixer, option) for stage in net.decoder] == values[:-1]
    one = make("backbone", *SMALL, f"attention={attention}", f"attention.{option}=2")
    assert {getattr(stage[0].mixer, option) for stage in one.encoder} == {2}


def test_parts_of_one_shape_start_apart():
    torch.manual_seed(3)
    weights = [w for w in make("backbone", *SMALL).state_dict().values() if w.unique().numel() > 2]
    assert not any(
        torch.equal(a, b) for i, a in enumerate(weights) for b in weights[:i] if a.shape == b.shape
    )


def test_patch_merging_is_a_word():
    net = make("backbone", *SMALL, "backbone.downsample=patch_merging").double()
    out = net(image(2, 3, 13, 17))
    assert out.shape == (2, 3, 13, 17)
    assert sum(isinstance(m, PatchMerging) for m in net.modules()) == 3
    with pytest.raises(Exception, match="downsample=pool is unknown"):
        make("backbone", "backbone.downsample=pool")


def test_checkpointing_changes_no_gradient():
    nets = [randomize(make("backbone", *SMALL, f"backbone.checkpointing={word}")).double()
            for word in ("false", "true")]  # fmt: skip
    left, right = ((net, dict(net.named_parameters())) for net in nets)
    assert_same(left, right, image(2, 3, 16, 24), tolerance=1e-12)
    assert nets[1].encoder[0][0].checkpointing
