r"""Multi-Dconv head transposed attention: channels attend to channels.

.. math::

   A = \operatorname{softmax}\!\left(\tau \, \frac{Q^\top K}{\lVert Q \rVert \, \lVert K
   \rVert}\right), \qquad Y = V A^\top

:math:`Q, K, V` are the pixels by channels of one head after a 1 x 1 and a depthwise 3 x 3
convolution; norms are taken over the pixels of each channel. The map :math:`A` is D x D, so that
cost is linear in pixels, and each pixel reaches all others through it, but only as a sum.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from denoise.layers.conv1x1 import Conv1x1
from denoise.option_checks import check_positive
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Compose, OverlappingWindows, Radius


class MDTA(Mixer):
    """Transposed attention of Restormer (Zamir et al. 2022, arXiv 2111.09881), in folded form.

    The softmaxed d x d map of each head is multiplied into the output projection, so that one
    C x C matrix per image is applied to the values; the result is the paper's. With a window, each
    window has a matrix of its own and a pixel gets the mean over the windows that hold it, as at
    test time in TLC (Chu et al. 2022, arXiv 2112.04491); but windows begin at multiples of the
    stride, whatever the size of the image, and the last ones hold fewer pixels where it ends.

    Args:
        dim: channels.
        num_heads: groups of channels that attend among themselves; divides `dim`.
        block_index: position of the block in its level; unused.
        bias: whether the three convolutions have one.
        window: height and width in pixels of windows with a map of their own; null for one map of
            the whole image. A model exported with a window takes only larger images.
        stride: distance between windows in pixels, divides `window`; null for half of it.

    Raises:
        ValueError: for a stride that does not divide the window.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        bias: bool = False,
        window: int | None = None,
        stride: int | None = None,
    ) -> None:
        super().__init__()
        self.window = window
        self.stride = stride or max(1, (window or 1) // 2)
        check_positive(window=1 if window is None else window, stride=self.stride)
        if window and window % self.stride:
            raise ValueError(f"stride={self.stride} does not divide window={window}: use a divisor")
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = Conv1x1(dim, 3 * dim, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = Conv1x1(dim, dim, bias=bias, zero_init=True)
        self.properties = MixerProperties(
            family="channel",
            complexity="N",
            receptive_field=Compose([Radius(1), OverlappingWindows(window, self.stride)])
            if window
            else None,
            shift_period=self.stride if window else 1,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        qkv = self.qkv_dwconv(self.qkv(x)).permute(0, 2, 3, 1)
        out = self._attend_image(qkv) if self.window is None else self._attend_windows(qkv)
        return out.permute(0, 3, 1, 2)

    def _attend_image(self, qkv: Tensor) -> Tensor:
        """Apply one map of the whole image: (B, H, W, 3C) to (B, H, W, C)."""
        B, H, W, C = *qkv.shape[:3], qkv.shape[3] // 3
        q, k, v = qkv.reshape(B, H * W, 3 * C).split(C, dim=-1)
        matrices = self._matrices(*_products(q, k, len(self.temperature)))
        return self._project(v, matrices).view(B, H, W, C)

    def _attend_windows(self, qkv: Tensor) -> Tensor:
        """Apply the mean map of the windows that hold a pixel: (B, H, W, 3C) to (B, H, W, C).

        A window consists of cells, squares of one stride: its sums over pixels are sums over cells,
        and the mean over windows is one of their matrices. No pixel is copied twice.
        """
        B, H, W, C = *qkv.shape[:3], qkv.shape[3] // 3
        cell, span = self.stride, (self.window or 0) // self.stride
        rows, columns = (H + cell - 1) // cell, (W + cell - 1) // cell
        # Zeros add nothing to the sums, neither as pixels nor as cells.
        qkv = F.pad(qkv, (0, 0, 0, columns * cell - W, 0, rows * cell - H), value=0.0)
        cells = qkv.view(B, rows, cell, columns, cell, 3 * C).transpose(2, 3)
        q, k, v = cells.reshape(-1, cell * cell, 3 * C).split(C, dim=-1)
        right, below = (torch.sym_max(0, span - length) for length in (columns, rows))
        sums = [
            _over_windows(t.unflatten(0, (B, rows, columns)), (0, right, 0, below), span)
            for t in _products(q, k, len(self.temperature))
        ]
        matrices = self._matrices(*(t.flatten(0, 2) for t in sums))
        matrices = matrices.unflatten(0, sums[0].shape[:3])
        padding = (span - 1, span - 1 - right, span - 1, span - 1 - below)
        counts = _over_windows(torch.ones_like(matrices[:1, ..., :1, :1]), padding, span)
        matrices = (_over_windows(matrices, padding, span) / counts).flatten(0, 2)
        out = self._project(v, matrices)
        out = out.view(B, rows, columns, cell, cell, C).transpose(2, 3)
        out = out.reshape(B, rows * cell, columns * cell, C)
        # A slice would export for sizes that the stride divides or for others, not for both.
        return F.pad(out, (0, 0, 0, W - columns * cell, 0, H - rows * cell))

    def _project(self, v: Tensor, matrices: Tensor) -> Tensor:
        """Multiply values (M, T, C) with matrices (M, C, C), and add the bias."""
        out = v @ matrices.transpose(1, 2)
        return out if self.project_out.bias is None else out + self.project_out.bias

    def _matrices(self, squares: Tensor, gram: Tensor) -> Tensor:
        """Return output projection times attention, (M, C, C), to multiply the values with."""
        _, N, D, _ = gram.shape
        weight = self.project_out.weight.view(N * D, N, D).transpose(0, 1)
        q, k = squares.clamp_min(1e-24).sqrt().view(-1, 2, N, D).unbind(1)
        attention = (gram / q[..., None] / k[:, :, None] * self.temperature).softmax(-1)
        return (weight @ attention.to(weight.dtype)).transpose(1, 2).flatten(2)


def _products(q: Tensor, k: Tensor, num_heads: int) -> tuple[Tensor, Tensor]:
    """Sum over T the squares of q and k, (M, 2, C), and their products by head, (M, N, D, D)."""
    compute = _Products.forward if torch.compiler.is_compiling() else _Products.apply
    return compute(q, k, num_heads)


class _Products(torch.autograd.Function):
    """Returns gradients in the memory layout of the inputs; those of autograd are transposed."""

    @staticmethod
    def forward(q: Tensor, k: Tensor, num_heads: int) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(q.dtype, torch.float32)
        if q.dtype == torch.float16:  # the sums of a large image overflow it
            with torch.autocast(q.device.type, enabled=False):
                return _Products.forward(q.to(wide), k.to(wide), num_heads)
        # Five times as fast as vector_norm over an axis that is not the last.
        squares = torch.stack([t.to(wide).square().sum(1) for t in (q, k)], dim=1)
        return squares, (_heads(q, num_heads).mT @ _heads(k, num_heads)).to(wide)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_squares: Tensor, d_gram: Tensor) -> tuple[Tensor | None, ...]:
        q, k = ctx.saved_tensors
        # Small gradients would underflow in float16.
        narrow = q.dtype if q.dtype != torch.float16 else d_gram.dtype
        d_gram = d_gram.to(narrow)
        gradients = []
        for i, one, other, d in ((0, q, k, d_gram.mT), (1, k, q, d_gram)):
            d_one = (_heads(other.to(narrow), d.shape[1]) @ d).transpose(1, 2).flatten(2)
            gradients.append(torch.addcmul(d_one, one, 2 * d_squares[:, i, None]).to(one.dtype))
        return *gradients, None


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """Split (M, T, C) into (M, N, T, D)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _over_windows(x: Tensor, padding: tuple[int | torch.SymInt, ...], span: int) -> Tensor:
    """Sum (B, rows, columns, ...) over every window of span x span, zero-padded as by F.pad."""
    x_flat = x.flatten(3).permute(0, 3, 1, 2)
    # torch's stub of pad lacks SymInt.
    flat = F.pad(x_flat, padding, value=0.0)  # type: ignore[arg-type]
    sums = F.avg_pool2d(flat, span, stride=1, divisor_override=1)
    return sums.permute(0, 2, 3, 1).unflatten(3, x.shape[3:])
