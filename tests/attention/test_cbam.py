"""CBAM against timm's, and a loop over pixels."""

from itertools import product

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps
from timm.layers.cbam import CbamModule
from torch import nn

from denoise.attention.cbam import CBAM


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_cbam_is_timms(size, batch_norm):
    act = nn.ReLU if batch_norm else nn.LeakyReLU
    official = randomize(CbamModule(16, 1 / 4, mlp_bias=True, act_layer=act)).double()
    mixer = CBAM(16, 2, 0, reduction=4, official=batch_norm, projection=False).double()
    if batch_norm:
        mixer.norm.load_state_dict(official.spatial.conv.bn.state_dict())
    else:
        official.spatial.conv.bn = nn.Identity()
    names = {"channel.0": "channel.fc1", "channel.2": "channel.fc2", "spatial": "spatial.conv.conv"}
    state = {
        f"{a}.{n}": p for a, b in names.items()
        for n, p in official.get_submodule(b).named_parameters()
    }  # fmt: skip
    mixer.load_state_dict(state, strict=not batch_norm)
    mixer.spatial.weight.data = mixer.spatial.weight.data.flip(1)  # timm's has the mean first
    state["spatial.weight"] = theirs = official.spatial.conv.conv.weight
    state |= {f"norm.{n}": p for n, p in official.spatial.conv.bn.named_parameters()}
    hooked = mixer.spatial.weight.register_hook(lambda gradient: gradient.flip(1))
    assert theirs.shape == mixer.spatial.weight.shape
    assert_same((mixer, parameters(mixer)), (official, state), normal(2, 16, *size))
    hooked.remove()


@pytest.mark.parametrize("pool", ["avg_max", "avg"])
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_cbam_by_pixels(size, pool):
    mixer = randomize(CBAM(8, 2, 0, reduction=4, pool=pool)).double()

    def dense(statistic):
        hidden = by_taps(mixer.channel[0], statistic)
        return by_taps(mixer.channel[2], torch.where(hidden > 0, hidden, 0.01 * hidden))

    def loop(x):
        pixels = [x[..., i : i + 1, j : j + 1] for i, j in product(*map(range, size))]
        logits = dense(sum(pixels) / len(pixels))
        if pool == "avg_max":
            logits = logits + dense(torch.stack(pixels).max(0).values)
        x = x / (1 + (-logits).exp())
        channels = x.unbind(1)
        pair = torch.stack([torch.stack(channels).max(0).values, sum(channels) / 8], 1)
        return by_taps(mixer.proj, x / (1 + (-by_taps(mixer.spatial, pair)).exp()))

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


def test_cbam_keeps_a_hidden_unit_and_refuses_what_it_does_not_know():
    assert CBAM(8, 2, 0, reduction=16).channel[0].out_channels == 1
    with pytest.raises(ValueError, match="kernel_size=4"):
        CBAM(8, 2, 0, kernel_size=4)
    with pytest.raises(ValueError, match="pool=max"):
        CBAM(8, 2, 0, pool="max")
