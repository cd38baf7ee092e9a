"""Norms against torch's own, deepinv's and the formula."""

import pytest
import torch
from conftest import assert_same, make, options, randomize
from deepinv.models.restormer import LayerNorm as Official

from denoise.norm import DyT, LayerNorm, LayerNormBiasFree


def image():
    return 3 * torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0)).double() + 1


def parameters(module):
    return dict(module.named_parameters())


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


def test_dyt_is_its_formula():
    norm = randomize(DyT(6)).double()

    def formula(x):
        weight, bias = norm.weight.view(1, 6, 1, 1), norm.bias.view(1, 6, 1, 1)
        return weight * torch.tanh(norm.alpha * x) + bias

    assert_same((norm, parameters(norm)), (formula, parameters(norm)), image())


def test_dyt_starts_at_the_alpha_of_the_command_line():
    assert make("norm", "norm=dyt", "norm.alpha=0.2")(6).alpha.item() == pytest.approx(0.2)


@pytest.mark.parametrize("name", options("norm"))
def test_contract(name):
    norm = randomize(make("norm", f"norm={name}")(6)).double()
    out = norm(image().contiguous(memory_format=torch.channels_last))
    assert out.shape == image().shape
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, norm(image()))
    pixel = norm(image()[..., 2:3, 4:5])
    torch.testing.assert_close(out[..., 2:3, 4:5], pixel)
