"""Shifted windows against torchvision's and timm's, and a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import assert_is, by_pixels
from timm.models.swin_transformer import SwinTransformerBlock
from torchvision.models.swin_transformer import ShiftedWindowAttention as TorchvisionSwin

from denoise.attention.swin import ShiftedWindowAttention


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(8, 12), (4, 16)], ids=str)
def test_swin_is_torchvisions_where_windows_fit(shift, size):
    official = TorchvisionSwin(16, [4, 4], [shift, shift], 2)
    mixer = ShiftedWindowAttention(16, 2, shift // 2, window_size=4)
    table = official.relative_position_bias_table
    assert_is(official, official, official, lambda: table, mixer, normal(2, 16, *size))


def test_swin_is_timms_where_windows_fit():
    official = SwinTransformerBlock(16, (8, 12), 2, window_size=4, shift_size=2)
    mixer = ShiftedWindowAttention(16, 2, 1, window_size=4)
    table = official.attn.relative_position_bias_table
    assert_is(official, official._attn, official.attn, lambda: table, mixer, normal(2, 16, 8, 12))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "index"), [(8, 0), (8, 1), (5, 1), (3, 3)])
def test_swin_by_pixels(size, window, index):
    mixer = randomize(ShiftedWindowAttention(8, 2, index, window_size=window)).double()

    def visible(place, length):
        shift = window // 2 if index % 2 and length > window else 0
        return [p for p in range(length) if (p - shift) // window == (place - shift) // window]

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)
        return by_pixels(
            mixer, x, visible, lambda dy, dx: bias[:, window - 1 - dy, window - 1 - dx]
        )

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_windows_that_do_not_shift_stay_in_their_places():
    odd = [ShiftedWindowAttention(16, 2, 1, window_size=4, shift=shift) for shift in (True, False)]
    even = ShiftedWindowAttention(16, 2, 0, window_size=4)
    for mixer in odd:
        mixer.load_state_dict(randomize(even).state_dict())
    x = torch.randn(1, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(odd[1](x), even(x))
    assert not torch.allclose(odd[0](x), even(x))
    assert odd[1].properties.receptive_field == even.properties.receptive_field
