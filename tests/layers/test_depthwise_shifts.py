"""Slide attention's sum over shifts against a loop over pixels, its gradients against autograd."""

import pytest
import torch
from harness import normal

from denoise.layers.depthwise_shifts import Logits, Values

# (B, H, W, N, D, T, k): several images, a single row, and an image smaller than the kernel
SHAPES = [(2, 4, 3, 2, 3, 16, 3), (1, 1, 4, 2, 2, 5, 3), (1, 2, 3, 1, 2, 3, 5)]
by_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def draw(shape):
    """Random q, keys, weight and kernel; keys are those of Slide attention's values too."""
    B, H, W, N, D, T, k = shape
    q, keys, weight = normal(B, H, W, N, 2 * D + T).split([D, D, T], -1)
    return tuple(t.clone().requires_grad_() for t in (q, keys, weight, 0.5 * normal(k * k, D, T)))


def shifted(keys, k):
    """Copy the keys at each of the k x k offsets, zeros outside: (k * k, B, H, W, N, D)."""
    H, W, r = *keys.shape[1:3], k // 2
    rows = []
    for o in range(k * k):
        for y in range(H):
            for x in range(W):
                i, j = y + o // k - r, x + o % k - r
                inside = 0 <= i < H and 0 <= j < W
                rows.append(keys[:, i, j] if inside else torch.zeros_like(keys[:, y, x]))
    return torch.stack(rows).unflatten(0, (k * k, H, W)).permute(0, 3, 1, 2, 4, 5)


@by_shape
def test_logits_and_values_are_the_sum_over_shifts(shape):
    q, keys, weight, kernel = draw(shape)
    near = shifted(keys, shape[-1])
    for found, expected, factors in (
        (Logits.apply(q, keys, kernel),
         torch.einsum("bhwnc,obhwnc,oct->bhwnt", q, near, kernel), (q, keys, kernel)),
        (Values.apply(weight, keys, kernel),
         torch.einsum("bhwnt,obhwnc,oct->bhwnc", weight, near, kernel), (weight, keys, kernel)),
    ):  # fmt: skip
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        slope = torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view_as(found)
        gradients = [torch.autograd.grad((out * slope).sum(), factors, retain_graph=True)
                     for out in (found, expected)]  # fmt: skip
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@by_shape
def test_gradients_are_differences(shape):
    q, keys, weight, kernel = draw(shape)
    assert torch.autograd.gradcheck(Logits.apply, (q, keys, kernel))
    assert torch.autograd.gradcheck(Values.apply, (weight, keys, kernel))
