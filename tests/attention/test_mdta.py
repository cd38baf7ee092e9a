"""Transposed attention against Restormer's, and a loop over windows."""

from itertools import product

import pytest
import torch
from deepinv.models.restormer import Attention
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.mdta import MDTA


def mdta_by_windows(mixer, window, stride, x):
    """Restormer's formula in one window after the other, with its mean over a pixel's windows."""
    B, C, H, W = x.shape
    N = len(mixer.temperature)
    qkv = by_taps(mixer.qkv_dwconv, mixer.qkv(x)).view(B, 3, N, C // N, H, W)

    def starts(length):
        found = [0]
        while found[-1] + window < length:
            found.append(found[-1] + stride)
        return found

    total, count = torch.zeros_like(x), torch.zeros(H, W).double()
    for i, j in product(starts(H), starts(W)):
        here = (..., slice(i, i + window), slice(j, j + window))
        q, k, v = qkv[here].flatten(4).unbind(1)
        q, k = (t / t.norm(dim=-1, keepdim=True) for t in (q, k))
        logits = torch.einsum("bnct,bndt->bncd", q, k) * mixer.temperature
        mixed = torch.einsum("bncd,bndt->bnct", logits.softmax(-1), v)
        place = torch.zeros_like(total)
        place[here] = mixed.reshape(B, C, *place[here].shape[2:])
        total = total + place
        count[here] += 1
    return mixer.project_out(total / count)


WINDOWS = [(8, None), (6, 2), (4, 4)]


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_mdta_is_restormers(heads, bias, size):
    official = randomize(Attention(16, heads, bias)).double()
    mixer = MDTA(16, heads, 0, bias=bias).double()
    mixer.load_state_dict(official.state_dict())
    x = normal(2, 16, *size)
    assert_same((mixer, parameters(mixer)), (official, parameters(official)), x)


@pytest.mark.parametrize("autocast", [False, True])
def test_mdta_of_a_large_image_fits_float16(autocast):
    """Its sums over pixels do not."""
    mixer, x = randomize(MDTA(16, 2, 0)), 10 * normal(1, 16, 256, 256)
    exact = mixer.double()(x)
    mixer.to(torch.float32 if autocast else torch.float16)
    leaf = x.to(mixer.qkv.weight.dtype).requires_grad_()
    with torch.autocast("cpu", torch.float16, enabled=autocast):
        out = mixer(leaf)
    out.double().mean().backward()
    assert (out - exact).abs().max() < 0.01 * exact.abs().max()
    assert all(torch.isfinite(p.grad).all() for p in (leaf, *mixer.parameters()))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_mdta_by_windows(size, window, stride):
    mixer = randomize(MDTA(8, 2, 0, bias=True, window=window, stride=stride)).double()

    def loop(x):
        return mdta_by_windows(mixer, window, stride or window // 2, x)

    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, 8, *size))


def test_mdta_in_a_window_around_the_image_is_the_papers():
    mixer, wide = (randomize(MDTA(8, 2, 0, window=w)).double() for w in (None, 32))
    assert_same((wide, parameters(wide)), (mixer, parameters(mixer)), normal(2, 8, 31, 17))


def test_mdta_refuses_a_stride_that_leaves_gaps():
    with pytest.raises(ValueError, match="stride=3 does not divide window=8"):
        MDTA(8, 2, 0, window=8, stride=3)
