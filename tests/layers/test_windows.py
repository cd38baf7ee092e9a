"""Attention within windows: what reaches the fused kernels."""

import pytest
import torch.nn.functional as F
from harness import normal

from denoise.attention.cswin import CrossShapedWindowAttention
from denoise.attention.grid import GridAttention
from denoise.attention.oca import OverlappingCrossAttention
from denoise.attention.swin import ShiftedWindowAttention

KINDS = [
    ShiftedWindowAttention, OverlappingCrossAttention, GridAttention, CrossShapedWindowAttention
]  # fmt: skip


@pytest.mark.parametrize("size", [(64, 32), (8, 8), (4, 64)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fused_kernels_can_be_used_and_masks_are_shared(kind, size, monkeypatch):
    attend, calls = F.scaled_dot_product_attention, []

    def watch(q, k, v, attn_mask=None):
        calls.append((q, k, v, attn_mask))
        return attend(q, k, v, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watch)
    kind(8, 2, 1).double()(normal(2, 8, *size))
    assert calls
    for *tokens, mask in calls:
        assert all(t.stride(-1) == 1 for t in tokens)
        assert mask is None or mask.shape[0] == mask.stride(-1) == 1
