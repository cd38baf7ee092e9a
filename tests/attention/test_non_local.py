"""The non-local block against timm's, and a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import attend, linear
from timm.layers import NonLocalAttn
from torch.func import functional_call

from denoise.attention.non_local import NonLocalBlock


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
def test_non_local_is_timms(size):
    official = randomize(NonLocalAttn(8, rd_channels=4)).double().eval()
    with torch.no_grad():
        official.norm.running_mean.normal_()
        official.norm.running_var.uniform_(0.5, 2)
    mixer = NonLocalBlock(8, 2, 0, scale=8**-0.5).double()

    def ours(x):
        gain = official.norm.weight / (official.norm.running_var + official.norm.eps).sqrt()
        shift = (official.z.bias - official.norm.running_mean) * gain + official.norm.bias
        parts = (official.t, official.p, official.g)
        weights = {
            "qkv.weight": torch.cat([part.weight for part in parts])[..., 0, 0],
            "qkv.bias": torch.cat([part.bias for part in parts]),
            "proj.weight": official.z.weight[..., 0, 0] * gain[:, None],
            "proj.bias": shift,
        }
        return functional_call(mixer, weights, (x,))

    theirs = parameters(official)
    x = normal(2, 8, *size)
    assert_same((ours, theirs), (lambda x: official(x) - x, theirs), x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("pool", "scale"), [(1, None), (1, 1.0), (2, None), (3, 0.2)])
def test_non_local_by_pixels(size, pool, scale):
    mixer = randomize(NonLocalBlock(8, 2, 0, pool=pool, scale=scale)).double()
    H, W = size

    def oracle(x):
        q, k, v = linear(mixer.qkv, x).chunk(3, dim=1)
        keys, values = (
            torch.stack(
                [
                    t[:, :, i : i + pool, j : j + pool].amax((2, 3))
                    for i in range(0, H, pool)
                    for j in range(0, W, pool)
                ],
                -1,
            )
            for t in (k, v)
        )
        out = attend(q.flatten(2), keys, values, 1, scale)
        return linear(mixer.proj, out).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_non_local_begins_with_nothing():
    assert NonLocalBlock(8, 2, 0)(normal(2, 8, 9, 13).float()).abs().max() == 0


def test_non_local_has_a_channel_at_least():
    assert NonLocalBlock(1, 1, 0)(normal(2, 1, 3, 5).float()).shape == (2, 1, 3, 5)


def test_non_local_refuses_a_pool_of_nothing():
    with pytest.raises(ValueError, match="pool=0"):
        NonLocalBlock(8, 2, 0, pool=0)
