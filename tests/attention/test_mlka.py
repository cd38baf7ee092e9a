"""Multi-scale large kernel attention against a loop over pixels."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_taps

from denoise.attention.mlka import MultiScaleLargeKernelAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("channels", [8, 2, 1])
def test_mlka_by_pixels(channels, size):
    mixer = randomize(MultiScaleLargeKernelAttention(channels, 1, 0)).double()
    widths = {8: [2, 2, 4], 2: [2], 1: [1]}[channels]
    kernels = [(3, 5, 2), (5, 7, 3), (7, 9, 4)][-len(widths) :]

    def loop(x):
        gate, value = by_taps(mixer.proj_in, x).split(channels, 1)
        parts = []
        for branch, part in zip(mixer.branches, gate.split(widths, 1), strict=True):
            wide = by_taps(branch.point, by_taps(branch.far, by_taps(branch.near, part)))
            parts.append(wide * by_taps(branch.gate, part))
        return by_taps(mixer.proj, value * torch.cat(parts, 1))

    shapes = [(b.near.kernel_size[0], b.far.kernel_size[0], b.far.dilation[0])
              for b in mixer.branches]  # fmt: skip
    assert shapes == kernels
    assert_same((mixer, parameters(mixer)), (loop, parameters(mixer)), normal(2, channels, *size))
