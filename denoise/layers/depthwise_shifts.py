"""Slide attention's sum over shifts of the image, one shift at a time.

The sum over p, c, o and t is of q_c(p) keys_c(p + o) weight_t(p) kernel_oct. All here are its
derivatives with regard to one factor, so that one's gradients are the others. Autograd would keep
the keys of every shift o. Shapes: q and keys (B, H, W, N, D), weight (B, H, W, N, T), kernel
(k * k, D, T).
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class Logits(torch.autograd.Function):
    """Differentiate with regard to the weight, (B, H, W, N, T)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
        """Return the derivative, see the module."""
        ctx.save_for_backward(q, keys, kernel)
        return _logits(q, keys, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_logits: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of all three."""
        q, keys, kernel = ctx.saved_tensors
        d_logits = d_logits.to(q.dtype)
        return _values(d_logits, keys, kernel), *_others(q, keys, d_logits, kernel)


class Values(torch.autograd.Function):
    """Differentiate with regard to q, (B, H, W, N, D)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor, kernel: Tensor) -> Tensor:
        """Return the derivative, see the module."""
        ctx.save_for_backward(weight, values, kernel)
        return _values(weight, values, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of all three."""
        weight, values, kernel = ctx.saved_tensors
        return _logits(d_out, values, kernel), *_others(d_out, values, weight, kernel)


def _logits(q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    return sum(
        (q * visible) @ at
        for visible, at in zip(_shifts(_pad(keys, kernel), kernel), kernel, strict=True)
    )


def _values(weight: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    out = torch.zeros_like(keys)
    for visible, at in zip(_shifts(_pad(keys, kernel), kernel), kernel, strict=True):
        out.addcmul_(weight @ at.mT, visible)
    return out


def _others(q: Tensor, keys: Tensor, weight: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives with regard to keys and kernel."""
    padded = _pad(keys, kernel)
    d_padded, d_kernel = torch.zeros_like(padded), torch.empty_like(kernel)
    shifts = zip(*(_shifts(t, kernel) for t in (padded, d_padded)), kernel, strict=True)
    for o, (visible, d_visible, at) in enumerate(shifts):
        d_visible.addcmul_(weight @ at.mT, q)
        d_kernel[o] = (q * visible).flatten(0, 3).mT @ weight.flatten(0, 3)
    r = math.isqrt(len(kernel)) // 2
    return d_padded[:, r : r + q.shape[1], r : r + q.shape[2]], d_kernel


def _pad(x: Tensor, kernel: Tensor) -> Tensor:
    """Pad (B, H, W, N, D) with the zeros of a convolution."""
    r = math.isqrt(len(kernel)) // 2
    return F.pad(x, (0, 0, 0, 0, r, r, r, r), value=0.0)


def _shifts(padded: Tensor, kernel: Tensor) -> Iterator[Tensor]:
    """Yield the image at each offset, a view of the padded one."""
    k = math.isqrt(len(kernel))
    H, W = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    return (padded[:, y : y + H, x : x + W] for y in range(k) for x in range(k))
