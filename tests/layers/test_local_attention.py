"""Local attention against a loop over pixels: each border, dilated, on images of any size."""

import pytest
import torch
from harness import normal

from denoise.layers.local_attention import is_inside, local_attention

HEADS, WIDTH = 2, 3


def keys_of(pixel, length, kernel, dilation, border):
    """Pairs (pixel of the key, its displacement over the dilation) along an axis."""
    offsets = range(-(kernel // 2), kernel // 2 + 1)
    if border == "shift":
        kernel = max(1, min(kernel, length // dilation))
        same = list(range(pixel % dilation, length, dilation))
        middle = same.index(pixel)
        start = min(max(middle - kernel // 2, 0), len(same) - kernel)
        return [(same[n], n - middle) for n in range(start, start + kernel)]
    found = [(pixel + dilation * offset, offset) for offset in offsets]
    if border == "mask":
        return [(key, offset) for key, offset in found if 0 <= key < length]

    def reflect(key):
        if length > kernel // 2 * dilation:
            return length - 1 - abs(length - 1 - abs(key))
        return min(max(key, 0), length - 1)

    return [(reflect(key), offset) for key, offset in found]


def by_loop(qkv, bias, kernel, dilation, border):
    H, W = qkv.shape[2:]
    q, k, v = qkv.unflatten(1, (3, HEADS, WIDTH)).unbind(1)
    out = torch.empty_like(q)
    middle = bias.shape[1] // 2
    for y in range(H):
        for x in range(W):
            near = [
                (i, j, dy + middle, dx + middle)
                for i, dy in keys_of(y, H, kernel, dilation, border)
                for j, dx in keys_of(x, W, kernel, dilation, border)
            ]
            i, j, dy, dx = torch.tensor(near).T
            logits = torch.einsum("bnd,bndt->bnt", q[..., y, x], k[..., i, j]) * WIDTH**-0.5
            weight = (logits + bias[:, dy, dx]).softmax(-1)
            out[..., y, x] = torch.einsum("bnt,bndt->bnd", weight, v[..., i, j])
    return out.flatten(1, 2)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (11, 7)], ids=str)
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("border", ["shift", "mask", "reflect"])
def test_each_pixel_attends_to_its_square(border, dilation, size):
    kernel = 5
    side = 2 * kernel - 1 if border == "shift" else kernel
    qkv, bias = normal(2, 3 * HEADS * WIDTH, *size), normal(HEADS, side, side)
    found = local_attention(qkv, bias, kernel, dilation, border)
    expected = by_loop(qkv, bias, kernel, dilation, border)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("border", ["shift", "mask", "reflect"])
def test_gradients_are_differences(border):
    qkv, bias = normal(1, 3 * HEADS * WIDTH, 3, 5).requires_grad_(), normal(HEADS, 5, 5)
    assert torch.autograd.gradcheck(
        lambda qkv, bias: local_attention(qkv, bias, 3, 2, border), (qkv, bias.requires_grad_())
    )


def test_another_backend_gets_images_without_dilation():
    shapes = []

    def attend(qkv, bias, kernel, border):
        shapes.append((tuple(qkv.shape), kernel, border))
        return qkv[:, :, :, 2]

    qkv = normal(2, 3 * HEADS * WIDTH, 4, 5)
    out = local_attention(qkv, normal(HEADS, 13, 13), 7, 2, "shift", attend)
    assert torch.equal(out, qkv[:, 2 * HEADS * WIDTH :])  # its values come back in their places
    # Of five columns three are even and two odd; rows of both kinds go together.
    assert shapes == [((4, 2, n, 3, HEADS, WIDTH), (2, 2), "shift") for n in (3, 2)]


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 2)])
def test_neighbours_inside_the_image(kernel, dilation):
    expected = [
        [0 <= pixel + dilation * (n - kernel // 2) < 4 for pixel in range(4)] for n in range(kernel)
    ]
    assert is_inside(4, kernel, dilation, torch.device("cpu")).tolist() == expected
