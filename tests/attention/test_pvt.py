"""Spatial-reduction attention against timm's, and a loop over pixels."""

import math

import pytest
import torch
import torch.nn.functional as F
from harness import ALL_SIZES, ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import attend, layer_norm, linear, window
from timm.models.pvt_v2 import Attention as TimmSpatialReduction

from denoise.attention.pvt import SpatialReductionAttention


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("size", "sr_ratio", "flag"),
    [((8, 12), 4, False), ((24, 16), 8, False), ((7, 9), 1, False)]
    + [(size, 2, True) for size in ALL_SIZES],
)
def test_pvt_is_timms_where_squares_fit(size, sr_ratio, flag, bias):
    official = TimmSpatialReduction(8, 2, sr_ratio, linear_attn=flag, qkv_bias=bias)
    randomize(official).double()
    mixer = SpatialReductionAttention(8, 2, 0, sr_ratio=sr_ratio, linear=flag, qkv_bias=bias)
    mixer.double().load_state_dict(official.state_dict())

    def tokens(x):
        return official(x.flatten(2).mT, size).mT.unflatten(2, size)

    x = normal(2, 8, *size)
    assert_same((mixer, parameters(mixer)), (tokens, parameters(official)), x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("sr_ratio", "flag"), [(8, False), (3, False), (1, False), (8, True)])
def test_pvt_by_pixels(size, sr_ratio, flag):
    mixer = SpatialReductionAttention(8, 2, 0, sr_ratio=sr_ratio, linear=flag)
    randomize(mixer).double()
    H, W = size

    def squares(x):
        for top in range(0, H, sr_ratio):
            for left in range(0, W, sr_ratio):
                pixels = window(x, top, left, sr_ratio)
                token = torch.einsum("ock,bck->bo", mixer.sr.weight.flatten(2), pixels)
                yield layer_norm(mixer.norm, token + mixer.sr.bias)

    def means(x):
        for i in range(7):
            for j in range(7):
                rows = slice(i * H // 7, math.ceil((i + 1) * H / 7))
                columns = slice(j * W // 7, math.ceil((j + 1) * W / 7))
                token = linear(mixer.sr, x[:, :, rows, columns].mean((2, 3)))
                yield F.gelu(layer_norm(mixer.norm, token))

    def oracle(x):
        tokens = x.flatten(2)
        if flag or sr_ratio > 1:
            tokens = torch.stack(list(means(x) if flag else squares(x)), -1)
        k, v = linear(mixer.kv, tokens).chunk(2, dim=1)
        out = attend(linear(mixer.q, x).flatten(2), k, v, 2)
        return linear(mixer.proj, out).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_pvt_states_what_its_linear_form_is():
    mixer = randomize(SpatialReductionAttention(16, 2, 0, linear=True)).double()
    assert (mixer.properties.complexity, mixer.properties.shift_period) == ("N", None)
    x = normal(1, 16, 56, 56)
    for shift in (1, 2, 4):
        assert (mixer(x.roll(shift, 2)).roll(-shift, 2) - mixer(x)).abs().max() > 1e-6
    assert SpatialReductionAttention(16, 2, 0, sr_ratio=1).properties.family == "global"


def test_pvt_exports_its_linear_form():
    mixer = randomize(SpatialReductionAttention(16, 2, 0, linear=True)).double().eval()
    side = {2: torch.export.Dim("H", min=32, max=4096), 3: torch.export.Dim("W", min=32, max=4096)}
    program = torch.export.export(mixer, (normal(2, 16, 41, 47),), dynamic_shapes=(side,))
    other = normal(2, 16, 57, 66)
    torch.testing.assert_close(program.module()(other), mixer(other), rtol=0, atol=1e-10)
