"""ACmix against a package of other authors, and a loop over pixels."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import acmix_of_a_package, by_pixels, square

from denoise.attention.acmix import ACmix


def convolved(mixer, x):
    """The convolution's half of ACmix, step by step: a linear map over heads, then shifts."""
    B, _, H, W = x.shape
    qkv = mixer.qkv(x).view(B, 3 * mixer.num_heads, -1, H, W)
    maps = torch.einsum("tc,bcihw->bithw", mixer.fc.weight, qkv)
    groups, padding = maps.shape[1], mixer.kernel_conv // 2
    return F.conv2d(maps.flatten(1, 2), mixer.shifts, padding=padding, groups=groups)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("attention", "convolution"), [(7, 3), (3, 5)])
def test_acmix_by_pixels(size, attention, convolution):
    mixer = randomize(ACmix(8, 2, 0, kernel_att=attention, kernel_conv=convolution)).double()
    middle = attention // 2

    def oracle(x):
        parts = SimpleNamespace(num_heads=2, qkv=mixer.qkv, proj=torch.nn.Identity())
        attended = by_pixels(
            parts,
            x,
            lambda place, length: square(place, length, attention, 1),
            lambda dy, dx: mixer.position_bias[:, dy + middle, dx + middle],
        )
        return mixer.rate1 * attended + mixer.rate2 * convolved(mixer, x)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize(("size", "heads"), [((7, 9), 2), ((8, 8), 1), ((17, 13), 4)], ids=str)
@pytest.mark.parametrize(("attention", "convolution"), [(7, 3), (3, 5)])
def test_acmix_is_the_papers(size, heads, attention, convolution):
    mixer = ACmix(8, heads, 0, kernel_att=attention, kernel_conv=convolution, pe="official")
    randomize(mixer).double()

    def official(x):
        named = {
            "conv_p.weight": mixer.positions.weight,
            "fc.weight": mixer.fc.weight[..., None, None],
            "dep_conv.weight": mixer.shifts,
            "rate1": mixer.rate1,
            "rate2": mixer.rate2,
        }
        return acmix_of_a_package(x, mixer.qkv, heads, attention, convolution, **named)

    assert_same((mixer, parameters(mixer)), (official, parameters(mixer)), normal(2, 8, *size))


def test_acmix_starts_as_shifts():
    mixer = ACmix(8, 2, 0).double()
    x = normal(1, 8, 9, 13)
    maps = torch.einsum("tc,bcihw->bithw", mixer.fc.weight, mixer.qkv(x).view(1, 6, 4, 9, 13))
    maps = F.pad(maps, (1, 1, 1, 1))
    moved = sum(maps[:, :, 3 * y + x, y : y + 9, x : x + 13] for y in range(3) for x in range(3))
    expected = moved.repeat_interleave(2, 1)
    torch.testing.assert_close(convolved(mixer, x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5)], ids=str)
def test_acmix_official_at_sizes_its_code_refuses(size):
    mixer = randomize(ACmix(8, 2, 0, pe="official")).double()
    out = mixer(normal(2, 8, *size))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in mixer.parameters())


@pytest.mark.parametrize("words", [{"kernel_att": 4}, {"kernel_conv": 2}, {"pe": "linspace"}])
def test_acmix_refuses(words):
    ((name, value),) = words.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        ACmix(8, 2, 0, **words)
