"""Overlapping cross-attention against spandrel's, and a loop over pixels."""

from types import SimpleNamespace

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import assert_is, by_pixels
from spandrel.architectures.HAT.__arch.HAT import HAT, OCAB

from denoise.attention.oca import OverlappingCrossAttention


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("window", [4, 8])
def test_oca_is_spandrels_in_windows_that_see_no_border(window):
    H, W, full = 3 * window, 4 * window, window + window // 2
    inside = slice(window, -window)
    official = OCAB(16, (H, W), window, 0.5, 2)
    official.norm1 = torch.nn.Identity()
    index = HAT.calculate_rpi_oca(SimpleNamespace(window_size=window, overlap_ratio=0.5))
    mixer = OverlappingCrossAttention(16, 2, 0, window_size=window)
    mixer.register_forward_hook(lambda mixer, args, out: out[..., inside, inside])

    def interior(x):
        # Their block adds its input, and on top of that x + mlp(x).
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(official.mlp, "forward", torch.zeros_like)
            out = official(x.flatten(1, 2), (H, W), index).view(x.shape) - x
        return out[:, inside, inside]

    def table():
        # Their index runs from key to query and wraps around.
        wrapped = official.relative_position_bias_table
        return wrapped.roll((full - 2) * (window + full), 0).flip(0)

    assert_is(official, interior, official, table, mixer, normal(2, 16, H, W))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("window", "ratio"), [(8, 0.5), (5, 0.4), (2, 4)])
def test_oca_by_pixels(size, window, ratio):
    mixer = OverlappingCrossAttention(8, 2, 0, window_size=window, overlap_ratio=ratio)
    randomize(mixer).double()
    margin = round(window * ratio / 2)

    def visible(place, length):
        first = place // window * window
        return [p for p in range(length) if first - margin <= p < first + window + margin]

    def oracle(x):
        middle = window + margin - 1
        bias = mixer.position_bias.T.view(2, 2 * middle + 1, 2 * middle + 1)
        return by_pixels(mixer, x, visible, lambda dy, dx: bias[:, middle - dy, middle - dx])

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_oca_refuses_an_overlap_that_is_not_of_whole_pixels_on_each_side():
    with pytest.raises(ValueError, match=r"overlap_ratio=0\.3"):
        OverlappingCrossAttention(8, 2, 0, overlap_ratio=0.3)
    with pytest.raises(ValueError, match="window_size=6"):
        OverlappingCrossAttention(8, 2, 0, window_size=6)
