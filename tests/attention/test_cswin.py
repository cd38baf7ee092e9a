"""Cross-shaped windows against a loop over pixels."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize

from denoise.attention.cswin import CrossShapedWindowAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("width", "heads"), [(4, 2), (3, 4), (1, 1)])
def test_cswin_by_pixels(size, width, heads):
    mixer = randomize(CrossShapedWindowAttention(8, heads, 0, stripe_width=width)).double()

    def stripe(place):
        return slice(place // width * width, (place // width + 1) * width)

    def oracle(x):
        B, C, H, W = x.shape
        v = mixer.qkv(x)[:, 2 * C :]
        near = F.pad(v, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)
        out = torch.einsum("bchwyx,cyx->bchw", near, mixer.lepe.weight[:, 0])
        out = out + mixer.lepe.bias[:, None, None]
        qkv = mixer.qkv(x).view(B, 3, 2, max(1, heads // 2), -1, H, W)
        pixels = []
        for i, j in product(range(H), range(W)):
            cross = (slice(H), stripe(j)), (stripe(i), slice(W))
            for part, (rows, columns) in zip(qkv.unbind(2), cross, strict=True):
                q = part[:, 0, ..., i, j]
                k, v = part[:, 1:, ..., rows, columns].flatten(-2).unbind(1)
                logits = torch.einsum("bnd,bndk->bnk", q, k) * q.shape[-1] ** -0.5
                pixels.append(torch.einsum("bnk,bndk->bnd", logits.softmax(-1), v).flatten(1))
        out = out + torch.stack(pixels, -1).view(B, C // 2, H, W, 2).movedim(4, 1).flatten(1, 2)
        return mixer.proj(out)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_cswin_refuses_what_it_cannot_halve():
    with pytest.raises(ValueError, match="dim=7"):
        CrossShapedWindowAttention(7, 1, 0)
    with pytest.raises(ValueError, match="num_heads=3"):
        CrossShapedWindowAttention(12, 3, 0)
