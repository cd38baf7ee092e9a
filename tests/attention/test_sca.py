"""Simplified channel attention against spandrel's NAFNet, and a loop over pixels."""

from itertools import product

import pytest
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps
from spandrel.architectures.NAFNet.__arch.NAFNet_arch import NAFBlock
from torch import nn

from denoise.attention.sca import SimplifiedChannelAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_sca_is_nafnets(size):
    mixer = randomize(SimplifiedChannelAttention(8, 2, 0)).double()
    block = NAFBlock(8).double()
    pairs = {
        "conv1": mixer.expand, "conv2": mixer.dwconv, "sca.1": mixer.attend, "conv3": mixer.proj
    }  # fmt: skip
    ours = {f"{k}.{n}": p for k, m in pairs.items() for n, p in m.named_parameters()}
    block.load_state_dict(ours, strict=False)
    theirs = {name: block.get_parameter(name) for name in ours}
    block.norm1 = block.norm2 = nn.Identity()
    nn.init.zeros_(block.gamma)
    nn.init.ones_(block.beta)
    assert_same((mixer, ours), (lambda x: block(x) - x, theirs), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_sca_by_pixels(size):
    mixer = randomize(SimplifiedChannelAttention(8, 2, 0)).double()

    def loop(x):
        x = by_taps(mixer.dwconv, by_taps(mixer.expand, x))
        x = x[:, :8] * x[:, 8:]
        mean = sum(x[..., i : i + 1, j : j + 1] for i, j in product(*map(range, size)))
        x = x * by_taps(mixer.attend, mean / (size[0] * size[1]))
        return by_taps(mixer.proj, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))
