"""Local attention against packages we did not write, or a loop over pixels."""

import pytest
import torch
from conftest import ODD_SIZES, assert_same, by_pixels, normal, parameters, randomize

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.unfold import UnfoldAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (5, 3), (7, 4)])
def test_neighborhood_by_pixels(size, kernel, dilation):
    mixer = randomize(
        NeighborhoodAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])
    ).double()

    def seen(place, length):
        k = max(1, min(kernel, length // dilation))
        offset, step = place % dilation, place // dilation
        count = -(-(length - offset) // dilation)
        start = min(max(step - k // 2, 0), count - k)
        return [offset + dilation * (start + i) for i in range(k)]

    def oracle(x):
        def bias(dy, dx):
            return mixer.position_bias[:, dy // dilation + kernel - 1, dx // dilation + kernel - 1]

        return by_pixels(mixer, x, seen, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_refuses_an_even_kernel(kind):
    with pytest.raises(ValueError, match="kernel_size=4"):
        kind(8, 2, 0, kernel_size=4)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (7, 4)])
def test_unfold_by_pixels(size, kernel, dilation):
    mixer = randomize(UnfoldAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])).double()

    def seen(place, length):
        reach = range(-(kernel // 2) * dilation, kernel // 2 * dilation + 1, dilation)
        return [place + offset for offset in reach if 0 <= place + offset < length]

    def oracle(x):
        def bias(dy, dx):
            middle = kernel // 2
            return mixer.position_bias[:, dy // dilation + middle, dx // dilation + middle]

        return by_pixels(mixer, x, seen, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("border", ["mask", "reflect"])
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (5, 1), (3, 2)])
def test_unfold_is_its_literal_form(size, border, kernel, dilation):
    options = {"kernel_size": kernel, "dilation": dilation, "border": border}
    mixer = randomize(UnfoldAttention(8, 2, 0, **options)).double()
    literal = UnfoldAttention(8, 2, 0, literal=True, **options).double()
    literal.load_state_dict(mixer.state_dict())
    assert_same((mixer, parameters(mixer)), (literal, parameters(literal)), normal(2, 8, *size))


def test_unfold_refuses_an_unknown_border():
    with pytest.raises(ValueError, match="border=zero"):
        UnfoldAttention(8, 2, 0, border="zero")


@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_tiles_of_several_steps(kind, monkeypatch):
    """A few images at a time give what all at once give."""
    mixer, x = randomize(kind(8, 2, 0)).double(), normal(3, 8, 17, 26)
    monkeypatch.setattr("denoise.attention._local.LOGITS", 1)
    few = mixer(x)
    monkeypatch.undo()
    torch.testing.assert_close(few, mixer(x), rtol=0, atol=1e-12)
