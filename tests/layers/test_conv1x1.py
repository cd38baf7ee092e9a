"""The 1x1 convolution against the plain one, whichever path torch takes."""

import pytest
import torch
from torch import nn

from denoise.layers.conv1x1 import Conv1x1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(1, 5, 7, 1, 1), (2, 48, 127, 9, 14), (17, 3, 4, 3, 2)])
def test_is_a_convolution(size, bias, dtype, threads):
    batch, inputs, outputs, height, width = size
    ours, plain = Conv1x1(inputs, outputs, bias=bias), nn.Conv2d(inputs, outputs, 1, bias=bias)
    plain.load_state_dict(ours.state_dict())
    ours, plain = ours.to(dtype), plain.to(dtype)
    x = torch.randn(batch, inputs, height, width).to(dtype, memory_format=torch.channels_last)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results = []
        for layer in (ours, plain):
            leaf = x.clone().requires_grad_()
            out = layer(leaf)
            weight = torch.linspace(-1, 1, out.numel(), dtype=dtype).view_as(out)
            results.append(
                [out, *torch.autograd.grad((out * weight).sum(), (leaf, *layer.parameters()))]
            )
    finally:
        torch.set_num_threads(before)
    close = {} if dtype != torch.float64 else {"rtol": 1e-12, "atol": 1e-12}
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **close)
