"""Window attention against packages we did not write, or a loop over pixels."""

import pytest
import timm
import torch
from conftest import ODD_SIZES, assert_same, by_pixels, normal, parameters, randomize
from torchvision.models.swin_transformer import ShiftedWindowAttention as TorchvisionSwin

from denoise.attention.swin import ShiftedWindowAttention


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("size", [(8, 12), (4, 16)], ids=str)
def test_swin_is_torchvisions_where_windows_fit(shift, size):
    official = randomize(TorchvisionSwin(16, [4, 4], [shift, shift], 2)).double()
    mixer = ShiftedWindowAttention(16, 2, shift // 2, window_size=4).double()
    pairs = {
        "qkv.weight": mixer.qkv.weight,
        "qkv.bias": mixer.qkv.bias,
        "proj.weight": mixer.proj.weight,
        "proj.bias": mixer.proj.bias,
        "relative_position_bias_table": mixer.position_bias,
    }
    with torch.no_grad():
        for name, parameter in official.named_parameters():
            pairs[name].copy_(parameter.view(pairs[name].shape))

    def channels_first(x):
        return official(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    # torchvision's linear weights have no kernel axes: compare them in that shape.
    for p in (mixer.qkv, mixer.proj):
        p.weight = torch.nn.Parameter(p.weight.detach())
    x = normal(2, 16, *size)
    ours = {"qkv.bias": mixer.qkv.bias, "proj.bias": mixer.proj.bias}
    ours["relative_position_bias_table"] = mixer.position_bias
    theirs = {name: p for name, p in official.named_parameters() if name in ours}
    assert_same((mixer, ours), (channels_first, theirs), x)


def test_swin_is_timms_where_windows_fit():
    block = timm.models.swin_transformer.SwinTransformerBlock(
        16, (8, 12), 2, window_size=4, shift_size=2
    )
    official = randomize(block).double()
    mixer = ShiftedWindowAttention(16, 2, 1, window_size=4).double()
    with torch.no_grad():
        for name in ("qkv", "proj"):
            layer = getattr(official.attn, name)
            getattr(mixer, name).weight.copy_(layer.weight[:, :, None, None])
            getattr(mixer, name).bias.copy_(layer.bias)
        mixer.position_bias.copy_(official.attn.relative_position_bias_table)
    x = normal(2, 16, 8, 12)
    expected = official._attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(mixer(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "index"), [(8, 0), (8, 1), (5, 1), (4, 3)])
def test_swin_by_pixels(size, window, index):
    mixer = randomize(ShiftedWindowAttention(8, 2, index, window_size=window)).double()
    table = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)

    def seen(place, length):
        shift = window // 2 if index % 2 and length > window else 0
        return [p for p in range(length) if (p - shift) // window == (place - shift) // window]

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * window - 1, 2 * window - 1)
        return by_pixels(mixer, x, seen, lambda dy, dx: bias[:, window - 1 - dy, window - 1 - dx])

    assert table.shape == (2, 2 * window - 1, 2 * window - 1)
    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))
