"""Norms against torch's own, deepinv's and the formula; their start against least squares."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deepinv.models.restormer import LayerNorm as Official
from harness import assert_same, make, options, parameters, randomize
from torch import nn

from denoise.norm import Derf, DyT, LayerNorm, LayerNormBiasFree, RMSNorm, match_layernorm


def image():
    return 3 * torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0)).double() + 1


@pytest.mark.parametrize(
    ("ours", "kind"), [(LayerNorm, "WithBias"), (LayerNormBiasFree, "BiasFree")]
)
def test_layernorm_is_restormers(ours, kind):
    official = randomize(Official(6, kind)).double()
    norm = ours(6).double()
    norm.load_state_dict(official.body.state_dict())
    assert_same((norm, parameters(norm)), (official, parameters(official.body)), image())


def test_layernorm_is_torchs():
    norm, official = LayerNorm(6).double(), torch.nn.LayerNorm(6).double()
    expected = official(image().permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm(image()), expected)


def test_rms_is_torchs():
    norm, official = RMSNorm(6).double(), randomize(nn.RMSNorm(6, eps=1e-5)).double()
    norm.load_state_dict(official.state_dict())

    def torchs(x):
        return official(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    assert_same((norm, parameters(norm)), (torchs, parameters(official)), image())


def test_rms_is_its_formula():
    norm = randomize(RMSNorm(6, eps=1e-3)).double()

    def formula(x):
        squares = sum(x[:, c : c + 1] ** 2 for c in range(6)) / 6
        return x / (squares + 1e-3) ** 0.5 * norm.weight.view(1, 6, 1, 1)

    assert_same((norm, parameters(norm)), (formula, parameters(norm)), image())


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", [DyT, Derf])
def test_a_squash_is_its_formula(kind, per_channel):
    norm = randomize(kind(6, per_channel=per_channel)).double()
    assert norm.alpha.shape == ((6,) if per_channel else (1,))

    def formula(x):
        channels = []
        for c in range(6):
            of = c if per_channel else 0
            inner = norm.alpha[of] * x[:, c]
            inner = torch.tanh(inner) if kind is DyT else torch.erf(inner + norm.shift[of])
            channels.append(norm.weight[c] * inner + norm.bias[c])
        return torch.stack(channels, 1)

    assert_same((norm, parameters(norm)), (formula, parameters(norm)), image())


@pytest.mark.parametrize("alpha", [0.2, 2])
@pytest.mark.parametrize("name", ["dyt", "derf"])
def test_a_squash_starts_at_the_alpha_of_the_command_line(name, alpha):
    norm = make("norm", f"norm={name}", f"norm.alpha={alpha}", "norm.per_channel=true")(6)
    assert norm.alpha.tolist() == pytest.approx([alpha] * 6)
    assert all(p.sum() == 0 for n, p in norm.named_parameters() if n in ("shift", "bias"))


@pytest.mark.parametrize("kind", [DyT, Derf])
def test_a_squash_refuses_an_unknown_start(kind):
    with pytest.raises(ValueError, match="init=zeros"):
        kind(6, init="zeros")


@pytest.mark.parametrize("name", options("norm"))
def test_contract(name):
    norm = randomize(make("norm", f"norm={name}")(6)).double()
    out = norm(image().contiguous(memory_format=torch.channels_last))
    assert out.shape == image().shape
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, norm(image()))
    pixel = norm(image()[..., 2:3, 4:5])
    torch.testing.assert_close(out[..., 2:3, 4:5], pixel)


@pytest.mark.parametrize("name", options("norm"))
def test_precision_and_autocast(name):
    norm = randomize(make("norm", f"norm={name}")(6))
    x = image().float()
    with torch.autocast("cpu", torch.bfloat16):
        low = norm(x.bfloat16())
    assert (low - norm(x)).abs().max() / norm(x).abs().max() < 0.05
    for dtype in (torch.float32, torch.bfloat16):
        out = norm.to(dtype)(x.to(dtype))
        exact = norm.double()(x.to(dtype).double())
        assert out.dtype == dtype
        error = (out.double() - exact).abs().max() / exact.abs().max()
        assert error < 16 * torch.finfo(dtype).eps


class Net(nn.Module):
    """Squashes to be matched, one as the paper has it and one that does not run."""

    def __init__(self, kind, **options):
        super().__init__()
        self.first = kind(6, init="layernorm", **options)
        self.between = nn.Conv2d(6, 6, 1)
        self.paper = DyT(6)
        self.second = kind(6, init="layernorm", **options)
        self.unused = kind(6, init="layernorm", **options)

    def forward(self, x, sigma):
        x = self.between(self.first(x))
        return self.second(x * sigma + self.paper(x))


def layer_norm(x):
    return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=1e-5).permute(0, 3, 1, 2)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", [DyT, Derf])
def test_matched_norms_are_the_least_squares_optimum(kind, per_channel):
    net = randomize(Net(kind, per_channel=per_channel)).double()
    for norm in (net.first, net.second):  # not so wide that it saturates
        norm.alpha.data = torch.linspace(0.2, 0.3, len(norm.alpha)).double()
    visible = {}
    for name in ("first", "second"):
        net.get_submodule(name).register_forward_pre_hook(
            lambda module, args, name=name: visible.update({name: args[0].detach()})
        )
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    net(image(), 0.5)
    assert match_layernorm(net, image(), 0.5) == 2
    net(image(), 0.5)  # what later norms see is what they were fitted on
    for name, x in visible.items():
        norm = net.get_submodule(name)
        squashed = (torch.tanh if kind is DyT else torch.erf)(
            norm.alpha[:, None, None] * x + getattr(norm, "shift", x.new_zeros(1))[:, None, None]
        )
        for c in range(6):
            columns = squashed[:, c].detach().flatten().numpy()
            target = layer_norm(x)[:, c].flatten().numpy()
            system = np.stack([columns, np.ones_like(columns)], 1)
            weight, bias = np.linalg.lstsq(system, target)[0]
            assert norm.weight[c].item() == pytest.approx(weight, rel=1e-8)
            assert norm.bias[c].item() == pytest.approx(bias, rel=1e-8)

        def distance(weight, bias, squashed=squashed, x=x):
            out = squashed * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)
            return (out - layer_norm(x)).square().mean()

        old = distance(before[f"{name}.weight"], before[f"{name}.bias"])
        assert distance(norm.weight, norm.bias) < 0.5 * old
    changed = {name for name, p in net.named_parameters() if not p.equal(before[name])}
    assert changed == {"first.weight", "first.bias", "second.weight", "second.bias"}


def test_matching_leaves_no_trace_but_the_weights():
    net = Net(DyT).double()
    match_layernorm(net, image(), 0.5)
    matched = {name: p.detach().clone() for name, p in net.named_parameters()}
    net(2 * image(), 0.1).sum().backward()
    assert all(p.equal(matched[name]) for name, p in net.named_parameters())
    assert all(p.grad is not None for n, p in net.named_parameters() if "unused" not in n)
    assert match_layernorm(nn.Sequential(DyT(6), LayerNorm(6)).double(), image()) == 0


@pytest.mark.parametrize("kind", [DyT, Derf])
def test_matching_keeps_the_weight_of_a_constant_or_saturated_channel(kind):
    norm = kind(6, init="layernorm")
    x = image().float()
    x[:, 1], x[:, 2] = 0.3, 0
    x[:, 3] += 40
    match_layernorm(norm, x)
    assert norm.weight[1] == norm.weight[2] == norm.weight[3] == 1
    assert all(norm.weight[c] != 1 for c in (0, 4, 5))
    mean = norm(x).mean((0, 2, 3))
    torch.testing.assert_close(mean, layer_norm(x).mean((0, 2, 3)), rtol=1e-5, atol=1e-5)


def test_matching_is_done_in_float32_under_autocast():
    nets = [Net(partial(DyT, alpha=0.3)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    x = image().bfloat16().float()
    match_layernorm(nets[0].first, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert match_layernorm(nets[1], x.bfloat16(), 0.5) == 2
    torch.testing.assert_close(nets[1].first.weight, nets[0].first.weight, rtol=1e-6, atol=0)
    assert nets[1].second.weight.dtype == torch.float32
    assert torch.isfinite(nets[1].second.weight).all()
