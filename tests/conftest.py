import importlib
import os
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from denoise.launch import configure as config
from denoise.launch import words as options  # noqa: F401  (for the tests)

ROOT = Path(__file__).parents[1]


def make(group, *overrides):
    """Make the part of a group that the command line with these words would use."""
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


ODD_SIZES = [(1, 1), (3, 5), (7, 9), (8, 8), (9, 13), (17, 6), (33, 26)]


def normal(*shape):
    """A fixed random image in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()


def parameters(module):
    return dict(module.named_parameters())


def by_pixels(mixer, x, seen, bias):
    """Attention by a loop over pixels, from the mixer's own projections.

    `seen(place, length)` lists who is seen along an axis, `bias(dy, dx)` gives (N, *dy.shape).
    """
    B, C, H, W = x.shape
    N = mixer.num_heads
    q, k, v = mixer.qkv(x).view(B, 3, N, C // N, H, W).unbind(1)
    rows = []
    for i in range(H):
        for j in range(W):
            y, x_ = torch.meshgrid(
                torch.tensor(seen(i, H)), torch.tensor(seen(j, W)), indexing="ij"
            )
            logits = torch.einsum("bnd,bndyx->bnyx", q[..., i, j], k[..., y, x_])
            logits = logits * (C // N) ** -0.5 + bias(y - i, x_ - j)
            weight = logits.flatten(2).softmax(-1).view(logits.shape)
            rows.append(torch.einsum("bnyx,bndyx->bnd", weight, v[..., y, x_]).flatten(1))
    return mixer.proj(torch.stack(rows, -1).view(B, C, H, W))


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run train.py or evaluate.py in this process, in an empty folder, as the shell would."""

    def run(script, *words):
        module = importlib.import_module(script)
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *words])
        monkeypatch.chdir(tmp_path)
        module.main()

    return run


@pytest.fixture
def data_dir():
    """Folder with datasets/ and weights/ that are not part of the project."""
    place = os.environ.get("DENOISE_DATA_DIR")
    if not place:
        pytest.skip("DENOISE_DATA_DIR is not set: no images or weights to measure on")
    return Path(place)
