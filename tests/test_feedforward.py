"""Feed-forwards against deepinv's and the formula."""

import pytest
import torch
import torch.nn.functional as F
from conftest import assert_same, make, options, randomize
from deepinv.models.restormer import FeedForward

from denoise.feedforward import GDFN, MLP


def image():
    return torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0)).double()


def parameters(module):
    return dict(module.named_parameters())


@pytest.mark.parametrize("bias", [False, True])
def test_gdfn_is_restormers(bias):
    official = randomize(FeedForward(6, 2.66, bias)).double()
    ours = GDFN(6, bias=bias).double()
    ours.load_state_dict(official.state_dict())
    assert_same((ours, parameters(ours)), (official, parameters(official)), image())


def test_mlp_is_its_formula():
    ours = randomize(MLP(6, expansion=2)).double()

    def formula(x):
        x = x.permute(0, 2, 3, 1) @ ours[0].weight[:, :, 0, 0].T + ours[0].bias
        x = F.gelu(x) @ ours[2].weight[:, :, 0, 0].T + ours[2].bias
        return x.permute(0, 3, 1, 2)

    assert_same((ours, parameters(ours)), (formula, parameters(ours)), image())


@pytest.mark.parametrize("name", options("feedforward"))
def test_contract(name):
    ours = randomize(make("feedforward", f"feedforward={name}")(6)).double()
    out = ours(image().contiguous(memory_format=torch.channels_last))
    assert out.shape == image().shape
    assert out.is_contiguous(memory_format=torch.channels_last)
