"""Slide attention: each pixel attends to fixed and learned shifts of the image."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from denoise.attention._local import is_inside
from denoise.facts import Around, Facts

BORDERS = ("mask", "official")


class SlideAttention(nn.Module):
    """Slide attention (Pan et al. 2023, arXiv 2304.04237).

    The key and the value at each offset are a convolution of the keys and values of one head: the
    shift by that offset plus a learned one. Departs from the official code in hiding offsets that
    lead out of the image, and in one bias where the fixed and the learned convolution have one
    each. Computed one place of the kernels at a time, so that no k x k copies exist.

    Args:
        dim: channels.
        num_heads: divides `dim`.
        index: place of the block in its level; unused.
        kernel_size: odd side k of the square and of the convolutions.
        border: `mask`, or `official` to attend to the zeros outside too.
        qkv_bias: whether the query, key and value projection has a bias.

    Raises:
        ValueError: for an even kernel_size or an unknown border.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        index: int,
        *,
        kernel_size: int = 3,
        border: str = "mask",
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no middle: choose an odd number")
        if border not in BORDERS:
            raise ValueError(f"border={border}: choose one of {', '.join(BORDERS)}")
        k, width = kernel_size, dim // num_heads
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.border = border
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=qkv_bias)
        self.proj = nn.Conv2d(dim, dim, 1)
        self.learned = nn.Conv2d(width, k * k * width, k, padding=k // 2, groups=width)
        self.position_bias = nn.Parameter(torch.empty(num_heads, k * k))
        nn.init.trunc_normal_(self.position_bias, std=0.02)

    @property
    def facts(self) -> Facts:
        """What is known of this mixer."""
        return Facts(family="local", cost="N", reach=Around(self.kernel_size // 2), step=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        N, k, (H, W) = self.num_heads, self.kernel_size, x.shape[2:]
        q, keys, values = self.qkv(x).permute(0, 2, 3, 1).unflatten(3, (3, N, -1)).unbind(3)
        D = q.shape[4]
        q = q * D**-0.5
        # Offsets nobody sees fill up a multiple of 16: narrower matrices are four times slower.
        none = -(k**2) % 16
        kernel = self.learned.weight.view(D, k**2, k**2) + torch.eye(k**2, device=x.device)
        kernel = F.pad(kernel.permute(2, 0, 1), (0, none), value=0.0).to(q.dtype)
        bias = F.pad(self.learned.bias.view(D, k**2), (0, none), value=0.0).to(q.dtype)
        # The paper adds the positions to the keys.
        positions = q.sum(-1, keepdim=True) * F.pad(self.position_bias, (0, none), value=0.0)
        logits = _Logits.apply(q, keys, kernel) + q @ bias + positions
        inside = torch.ones(H, W, k * k, dtype=torch.bool, device=x.device)
        if self.border == "mask":
            y, x_ = (is_inside(length, k, 1, x.device).T for length in (H, W))
            inside = (y[:, None, :, None] & x_[:, None]).flatten(2)
        hidden = F.pad(~inside, (0, none), value=True)
        weight = logits.masked_fill(hidden[:, :, None], -torch.inf).softmax(-1).to(q.dtype)
        out = _Values.apply(weight, values, kernel) + weight @ bias.T
        return self.proj(out.flatten(3).permute(0, 3, 1, 2))


# One sum, over p, c, o and t, of q_c(p) keys_c(p + o) weight_t(p) kernel_oct is behind all that
# follows: every function is its derivative with regard to a factor, so that one's gradients are
# the others. Autograd would keep the shifted keys of every o.


class _Logits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(q, keys, kernel)
        return _logits(q, keys, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_logits: Tensor) -> tuple[Tensor, ...]:
        q, keys, kernel = ctx.saved_tensors
        d_logits = d_logits.to(q.dtype)
        return _values(d_logits, keys, kernel), *_others(q, keys, d_logits, kernel)


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(weight, values, kernel)
        return _values(weight, values, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, ...]:
        weight, values, kernel = ctx.saved_tensors
        return _logits(d_out, values, kernel), *_others(d_out, values, weight, kernel)


def _logits(q: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    """Derivative with regard to the weight, (B, H, W, N, T)."""
    return sum(
        (q * seen) @ at
        for seen, at in zip(_shifts(_framed(keys, kernel), kernel), kernel, strict=True)
    )


def _values(weight: Tensor, keys: Tensor, kernel: Tensor) -> Tensor:
    """Derivative with regard to q, (B, H, W, N, D)."""
    out = torch.zeros_like(keys)
    for seen, at in zip(_shifts(_framed(keys, kernel), kernel), kernel, strict=True):
        out.addcmul_(weight @ at.mT, seen)
    return out


def _others(q: Tensor, keys: Tensor, weight: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives with regard to keys and kernel."""
    framed = _framed(keys, kernel)
    d_framed, d_kernel = torch.zeros_like(framed), torch.empty_like(kernel)
    shifts = zip(*(_shifts(t, kernel) for t in (framed, d_framed)), kernel, strict=True)
    for o, (seen, d_seen, at) in enumerate(shifts):
        d_seen.addcmul_(weight @ at.mT, q)
        d_kernel[o] = (q * seen).flatten(0, 3).mT @ weight.flatten(0, 3)
    r = math.isqrt(len(kernel)) // 2
    return d_framed[:, r : r + q.shape[1], r : r + q.shape[2]], d_kernel


def _framed(x: Tensor, kernel: Tensor) -> Tensor:
    """Add the zeros at the border of a convolution."""
    r = math.isqrt(len(kernel)) // 2
    return F.pad(x, (0, 0, 0, 0, r, r, r, r), value=0.0)


def _shifts(framed: Tensor, kernel: Tensor) -> Iterator[Tensor]:
    """Give the image as seen at each offset, a view of the framed one."""
    k = math.isqrt(len(kernel))
    H, W = framed.shape[1] - k + 1, framed.shape[2] - k + 1
    return (framed[:, y : y + H, x : x + W] for y in range(k) for x in range(k))
