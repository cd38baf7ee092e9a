"""Slide attention against a loop over pixels and offsets."""

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize

from denoise.attention.slide import SlideAttention


def slide_by_pixels(mixer, x):
    """Slide attention by loops over pixels and offsets, with keys and values as convolutions."""
    B, C, H, W = x.shape
    N, k = mixer.num_heads, mixer.kernel_size
    q, keys, values = mixer.qkv(x).view(B, 3, N, C // N, H, W).unbind(1)

    def slid(part):
        part = part.flatten(0, 1)
        shift = torch.eye(k * k).double().view(1, k * k, 1, k, k).expand(C // N, -1, -1, -1, -1)
        fixed = F.conv2d(part, shift.flatten(0, 1), padding=k // 2, groups=C // N)
        return (fixed + mixer.learned(part)).view(B, N, C // N, k * k, H, W)

    keys, values = slid(keys) + mixer.position_bias[None, :, None, :, None, None], slid(values)
    rows = []
    for i in range(H):
        for j in range(W):
            offsets = [(y - k // 2, x - k // 2) for y in range(k) for x in range(k)]
            if mixer.border == "mask":
                t = [n for n, (y, x) in enumerate(offsets) if 0 <= i + y < H and 0 <= j + x < W]
            else:
                t = list(range(k * k))
            logits = torch.einsum("bnd,bndt->bnt", q[..., i, j], keys[..., t, i, j])
            weight = (logits * (C // N) ** -0.5).softmax(-1)
            rows.append(torch.einsum("bnt,bndt->bnd", weight, values[..., t, i, j]).flatten(1))
    return mixer.proj(torch.stack(rows, -1).view(B, C, H, W))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "border"), [(3, "mask"), (3, "official"), (5, "mask")])
def test_slide_by_pixels(size, kernel, border):
    mixer = randomize(SlideAttention(8, 2, 0, kernel_size=kernel, border=border)).double()

    def oracle(x):
        return slide_by_pixels(mixer, x)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_slide_copies_no_square_of_keys():
    """Not even for the backward pass."""
    x = torch.randn(1, 32, 64, 64, requires_grad=True)
    copies = []

    def note(saved):
        copies.append(saved.untyped_storage().data_ptr())
        sizes[copies[-1]] = saved.untyped_storage().nbytes()
        return saved

    sizes = {}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        SlideAttention(32, 1, 0)(x)
    assert sum(sizes.values()) < 9 * x.nbytes


def test_slide_refuses():
    with pytest.raises(ValueError, match="kernel_size=2"):
        SlideAttention(8, 2, 0, kernel_size=2)
    with pytest.raises(ValueError, match="border=zero"):
        SlideAttention(8, 2, 0, border="zero")
