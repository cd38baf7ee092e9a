"""The convolution that oneDNN gets wrong in bfloat16: patches and dilated depthwise kernels."""

import math

import pytest
import torch
from oracles import image

from denoise.layers.upcast_conv import UpcastConv2d

KERNELS = {
    "patch": {"kernel_size": 4, "stride": 4},
    "wide patch": {"kernel_size": 8, "stride": 8},
    "dilated depthwise": {"kernel_size": 7, "padding": 9, "dilation": 3, "groups": 16},
}


def results(conv, x):
    """Output and gradients; what is free in memory is no number."""
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    for numbers in range(16, 4096, 48):
        torch.full((numbers,), math.nan)
    out = conv(leaf)
    gradients = torch.autograd.grad(out.square().mean(), [leaf, *conv.parameters()])
    return [out.detach(), *gradients]


@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(8, 16), (64, 40)], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_is_float64_rounded(options, layout, size, autocast):
    torch.manual_seed(0)
    conv = UpcastConv2d(16, 16, **options).bfloat16().to(memory_format=layout)
    x = image(3, 16, *size).bfloat16().to(memory_format=layout)
    exact = torch.nn.Conv2d(16, 16, **options).double()
    exact.load_state_dict(conv.state_dict())
    if autocast:
        conv, x = conv.float(), x.float()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = results(conv, x)
    assert found[0].dtype == torch.bfloat16
    for one, other in zip(found, results(exact, x.double()), strict=True):
        assert (one - other).abs().max() <= 0.02 * other.abs().max()


def test_in_other_precisions_it_is_the_plain_convolution():
    torch.manual_seed(0)
    conv = UpcastConv2d(16, 16, 4, 4)
    plain = torch.nn.Conv2d(16, 16, 4, 4)
    plain.load_state_dict(conv.state_dict())
    for dtype in (torch.float32, torch.float64):
        x = image(2, 16, 8, 12).to(dtype)
        assert torch.equal(conv.to(dtype)(x), plain.to(dtype)(x))
