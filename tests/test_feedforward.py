"""Feed-forwards against packages we did not write, the formula or a loop over pixels."""

import pytest
import torch
import torch.nn.functional as F
from deepinv.models.restormer import FeedForward
from harness import ALL_SIZES, ODD_SIZES, assert_same, make, normal, options, parameters, randomize
from oracles import by_taps, depends
from spandrel.architectures.NAFNet.__arch.NAFNet_arch import NAFBlock
from torch import nn

from denoise.feedforward import GDFN, GSAU, MLP, SimpleGateFeedForward


def image():
    return torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0)).double()


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


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_gsau_by_pixels(size):
    ours = randomize(GSAU(6)).double()

    def loop(x):
        gate, value = by_taps(ours.project_in, x).split(6, 1)
        return by_taps(ours.project_out, value * by_taps(ours.dwconv, gate))

    assert_same((ours, parameters(ours)), (loop, parameters(ours)), normal(2, 6, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_simple_gate_is_nafnets(size):
    ours = randomize(SimpleGateFeedForward(6, expansion=1.5)).double()
    block = NAFBlock(6, FFN_Expand=3).double()
    block.conv4, block.conv5 = (
        nn.Conv2d(conv.in_channels, conv.out_channels, 1).double()
        for conv in (ours.project_in, ours.project_out)
    )
    block.conv4.load_state_dict(ours.project_in.state_dict())
    block.conv5.load_state_dict(ours.project_out.state_dict())
    block.norm1 = block.norm2 = nn.Identity()
    nn.init.ones_(block.gamma)
    theirs = {
        f"{name}.{n}": p
        for name, conv in (("project_in", block.conv4), ("project_out", block.conv5))
        for n, p in conv.named_parameters()
    }
    assert_same((ours, parameters(ours)), (lambda x: block(x) - x, theirs), normal(2, 6, *size))


@pytest.mark.parametrize("name", options("feedforward"))
class TestContract:
    def test_channels_last_and_any_size(self, name):
        ours = randomize(make("feedforward", f"feedforward={name}")(6)).double()
        for size in ALL_SIZES:
            x = normal(2, 6, *size)
            out = ours(x.contiguous(memory_format=torch.channels_last))
            assert out.shape == x.shape
            assert out.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(out, ours(x))

    @pytest.mark.parametrize("axis", [2, 3], ids=["rows", "columns"])
    def test_reach_is_what_decides_and_no_more(self, name, axis):
        ours = randomize(make("feedforward", f"feedforward={name}")(16)).double()
        seen = depends(ours, 13, 9, axis)
        for place in range(13):
            first, last = ours.receptive_field.input_range(place, place, 13)
            assert seen[:first, place].sum() + seen[last + 1 :, place].sum() < 1e-12
            assert seen[first, place] > 1e-12
            assert seen[last, place] > 1e-12

    def test_a_fresh_one_adds_nothing(self, name):
        out = make("feedforward", f"feedforward={name}")(16)(normal(2, 16, 9, 13).float())
        assert out.abs().max() == 0

    def test_precision_and_autocast(self, name):
        ours = randomize(make("feedforward", f"feedforward={name}")(16))
        x = normal(2, 16, 9, 13).float()
        with torch.autocast("cpu", torch.bfloat16):
            low = ours(x)
        assert (low - ours(x)).abs().max() / ours(x).abs().max() < 0.15
        for dtype in (torch.float32, torch.bfloat16):
            out = ours.to(dtype)(x.to(dtype))
            exact = ours.double()(x.to(dtype).double())
            assert out.dtype == dtype
            error = (out.double() - exact).abs().max() / exact.abs().max()
            assert error < 16 * torch.finfo(dtype).eps

    def test_compiles_without_a_break(self, name):
        ours = randomize(make("feedforward", f"feedforward={name}")(6)).double()
        torch._dynamo.reset()
        compiled = torch.compile(ours, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(image()), ours(image()))
