"""What tests of several rooms share: parts built from overrides, comparisons, odd sizes."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from denoise.cli.compose import compose_config as config
from denoise.cli.compose import options as options

ROOT = Path(__file__).parents[1]


def make(group, *overrides):
    """Instantiate the option of a group that a command with these overrides would use."""
    return instantiate(config(*overrides)[group], _convert_="all")


def randomize(module, seed=0):
    """Give every parameter random values: zeros and ones hide errors."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = 0.5
            if parameter.ndim == 4 and parameter.shape[1] > 1:
                scale = min(0.5, 8 / parameter[0].numel())  # many inputs would saturate a softmax
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return module


def assert_same(left, right, x, tolerance=1e-10):
    """Outputs, input gradient and parameter gradients of two modules agree.

    `left` and `right` are (function of x, named parameters by the names of the right).
    """
    results = []
    for function, parameters in (left, right):
        leaf = x.detach().clone().requires_grad_()
        out = function(leaf)
        weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        names = sorted(parameters)
        gradients = torch.autograd.grad((out * weight).sum(), [leaf, *map(parameters.get, names)])
        results.append((["output", "input", *names], [out, *gradients]))
    assert results[0][0] == results[1][0]
    for name, a, b in zip(*results[0], results[1][1], strict=True):
        scale = max(1.0, b.abs().max().item())
        assert a.shape == b.shape, name
        assert (a - b).abs().max().item() <= tolerance * scale, name


ALL_SIZES = [(1, 1), (3, 5), (7, 9), (8, 8), (9, 13), (17, 6), (33, 26)]
ODD_SIZES = [
    size if size in ((1, 1), (9, 13)) else pytest.param(size, marks=pytest.mark.slow)
    for size in ALL_SIZES
]


def normal(*shape):
    """A fixed random image in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()


def parameters(module):
    return dict(module.named_parameters())
