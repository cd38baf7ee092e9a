"""Local attention against ACmix's of a package, its naive form, and a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import acmix_of_a_package, by_pixels, square

from denoise.attention.unfold import UnfoldAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (7, 4)])
def test_unfold_by_pixels(size, kernel, dilation):
    mixer = randomize(UnfoldAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])).double()

    def oracle(x):
        def bias(dy, dx):
            middle = kernel // 2
            return mixer.position_bias[:, dy // dilation + middle, dx // dilation + middle]

        def visible(place, length):
            return square(place, length, kernel, dilation)

        return by_pixels(mixer, x, visible, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("border", ["mask", "reflect"])
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (5, 1), (3, 2)])
def test_unfold_is_its_naive_form(size, border, kernel, dilation):
    options = {"kernel_size": kernel, "dilation": dilation, "border": border}
    mixer = randomize(UnfoldAttention(8, 2, 0, **options)).double()
    naive = UnfoldAttention(8, 2, 0, naive=True, **options).double()
    naive.load_state_dict(mixer.state_dict())
    assert_same((mixer, parameters(mixer)), (naive, parameters(naive)), normal(2, 8, *size))


def test_unfold_refuses_an_unknown_border():
    with pytest.raises(ValueError, match="border=zero"):
        UnfoldAttention(8, 2, 0, border="zero")


@pytest.mark.parametrize("size", [(7, 9), (8, 8), (17, 13)], ids=str)
@pytest.mark.parametrize("kernel", [3, 7])
def test_unfold_is_the_attention_of_acmix(kernel, size):
    """Without positions and projection, at a mirrored border."""
    mixer = randomize(UnfoldAttention(8, 2, 0, kernel_size=kernel, border="reflect")).double()
    with torch.no_grad():
        mixer.position_bias.zero_()
    one, none = torch.ones(1).double(), torch.zeros(1).double()
    rest = {"rate1": one, "rate2": none, "conv_p.weight": torch.zeros(4, 2, 1, 1).double()}

    def official(x):
        out = acmix_of_a_package(x, mixer.qkv, 2, kernel, 3, **rest)
        return mixer.proj(out)

    own = {name: p for name, p in parameters(mixer).items() if name != "position_bias"}
    assert_same((mixer, own), (official, own), normal(2, 8, *size))
