"""Norms against torch's own, deepinv's and the formula."""

import pytest
import torch
from deepinv.models.restormer import LayerNorm as Official
from harness import assert_same, make, options, parameters, randomize
from torch import nn

from denoise.norm import Derf, DyT, LayerNorm, LayerNormBiasFree, RMSNorm


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
