"""The traceable form against the tiled one."""

import pytest
import torch
from harness import ODD_SIZES, assert_same, normal, parameters, randomize

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.unfold import UnfoldAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (7, 4)])
@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_the_form_for_compilers_is_the_same(kind, kernel, dilation, size, monkeypatch):
    mixer = randomize(kind(8, 2, 0, kernel_size=kernel, dilation=dilation)).double()

    def traced(x):
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            return mixer(x)

    own = parameters(mixer)
    assert_same((traced, own), (mixer, own), normal(2, 8, *size))
