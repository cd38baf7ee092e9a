"""Slide attention's sum over shifts of the image, one shift at a time.

All functions here are derivatives of the sum over pixels p, channels c, offsets o and t of
q_c(p) keys_c(p + o) weight_t(p) kernel_oct by one of its factors, so that they are one another's
gradients. Autograd would store the keys of every shift o. Shapes: q and keys (B, H, W, N, D),
weight (B, H, W, N, T), kernel (k * k, D, T).
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class Logits(torch.autograd.Function):
    """Logits of attention, the derivative by the weight: (B, H, W, N, T)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
        """Compute the sum, see the module."""
        ctx.save_for_backward(q, keys, kernel)
        return _logits(q, keys, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_logits: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of the three inputs."""
        q, keys, kernel = ctx.saved_tensors
        d_logits = d_logits.to(q.dtype)
        return _values(d_logits, keys, kernel), *_keys_and_kernel(q, keys, d_logits, kernel)


class Values(torch.autograd.Function):
    """Weighted sum of the values, the derivative by q: (B, H, W, N, D)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor, kernel: Tensor) -> Tensor:
        """Compute the sum, see the module."""
        ctx.save_for_backward(weight, values, kernel)
        return _values(weight, values, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of the three inputs."""
        weight, values, kernel = ctx.saved_tensors
        return _logits(d_out, values, kernel), *_keys_and_kernel(d_out, values, weight, kernel)


def _logits(q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    return sum(
        (q * visible) @ tap
        for visible, tap in zip(_shifts(_pad(keys, kernel), kernel), kernel, strict=True)
    )


def _values(weight: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    out = torch.zeros_like(keys)
    for visible, tap in zip(_shifts(_pad(keys, kernel), kernel), kernel, strict=True):
        out.addcmul_(weight @ tap.mT, visible)
    return out


def _keys_and_kernel(
    q: Tensor, keys: Tensor, weight: Tensor, kernel: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the derivatives by keys and kernel."""
    padded = _pad(keys, kernel)
    d_padded, d_kernel = torch.zeros_like(padded), torch.empty_like(kernel)
    shifts = zip(*(_shifts(t, kernel) for t in (padded, d_padded)), kernel, strict=True)
    for o, (visible, d_visible, tap) in enumerate(shifts):
        d_visible.addcmul_(weight @ tap.mT, q)
        d_kernel[o] = (q * visible).flatten(0, 3).mT @ weight.flatten(0, 3)
    r = math.isqrt(len(kernel)) // 2
    return d_padded[:, r : r + q.shape[1], r : r + q.shape[2]], d_kernel


def _pad(x: Tensor, kernel: Tensor) -> Tensor:
    """Pad (B, H, W, N, D) with zeros by the radius of the kernel."""
    r = math.isqrt(len(kernel)) // 2
    return F.pad(x, (0, 0, 0, 0, r, r, r, r), value=0.0)


def _shifts(padded: Tensor, kernel: Tensor) -> Iterator[Tensor]:
    """Yield the image shifted by each offset, as views of the padded one."""
    k = math.isqrt(len(kernel))
    H, W = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    return (padded[:, y : y + H, x : x + W] for y in range(k) for x in range(k))
