"""Global and sparse global attention never hold all pairs of queries and keys."""

from functools import partial

import pytest
import torch
from harness import normal, randomize
from torch.utils._python_dispatch import TorchDispatchMode

from denoise.attention.dat import DeformableAttention
from denoise.attention.non_local import NonLocalBlock
from denoise.attention.pvt import SpatialReductionAttention
from denoise.attention.vit import PatchAttention


class Largest(TorchDispatchMode):
    """Remembers the most elements of any tensor that was made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [t for t in (out if isinstance(out, (tuple, list)) else [out]) if t is not None]
        self.elements = max([self.elements, *(t.numel() for t in made if torch.is_tensor(t))])
        return out


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        NonLocalBlock,
        partial(NonLocalBlock, pool=2),
        partial(PatchAttention, patch_size=2),
        partial(SpatialReductionAttention, sr_ratio=1),
        partial(SpatialReductionAttention, sr_ratio=2),
        partial(DeformableAttention, stride=2),
    ],
)
def test_never_holds_all_pairs_of_queries_and_keys(make, layout):
    mixer = randomize(make(16, 1, 0))
    x = normal(1, 16, 80, 48).float().contiguous(memory_format=layout).requires_grad_()
    with Largest() as largest:
        mixer(x).sum().backward()
    assert x.numel() <= largest.elements <= 3 * x.numel()
