"""Local attention with any border and dilation, for all mixers that use it."""

from collections.abc import Callable
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from denoise.layers.padding import reflect_pad
from denoise.layers.tiled_attention import tiled_attention
from denoise.layers.tiled_axis import Border
from denoise.layers.traceable_attention import traceable_attention

Attend = Callable[[Tensor, Tensor, tuple[int, int], Border], Tensor]


def local_attention(
    qkv: Tensor,
    bias: Tensor,
    kernel_size: int,
    dilation: int,
    border: Literal["shift", "mask", "reflect"],
    attend: Attend = tiled_attention,
) -> Tensor:
    """Attend to the k x k pixels around each: (B, 3C, H, W) to (B, C, H, W).

    Args:
        qkv: queries, keys and values, each with its heads one after another.
        bias: added to the logits, by the key's displacement over the dilation: (N, S, S), with no
            displacement in the middle.
        kernel_size: odd k.
        dilation: distance between neighbours in pixels.
        border: `shift` moves a neighbourhood inward and takes a smaller k where an axis holds
            fewer pixels; `mask` hides keys outside the image; `reflect` pads by reflection.
        attend: computes it without dilation and reflection, see `tiled_attention`.
    """
    B, C, H, W = qkv.shape
    N, step, radius = len(bias), dilation, kernel_size // 2 * dilation
    if border == "reflect":
        # Reflected pixels are queries too, cropped again; every real one has a whole square.
        out = local_attention(reflect_pad(qkv, radius), bias, kernel_size, dilation, "mask", attend)
        return out[..., radius : radius + H, radius : radius + W]
    kernel = kernel_size, kernel_size
    if border == "shift":
        kernel = max(1, min(kernel_size, H // step)), max(1, min(kernel_size, W // step))
    qkv = qkv.permute(0, 2, 3, 1).unflatten(3, (3, N, C // 3 // N))
    if attend is tiled_attention and torch.compiler.is_compiling():
        return traceable_attention(qkv, bias, kernel, border, step).flatten(3).permute(0, 3, 1, 2)
    if step == 1:
        return attend(qkv, bias, kernel, border).flatten(3).permute(0, 3, 1, 2)
    # Pixels that lie `step` apart form an image of their own, of at most two lengths per axis.
    out = torch.empty_like(qkv[:, :, :, 0])
    for rows, columns in product(_groups(H, step), _groups(W, step)):
        group = torch.cat([qkv[:, r::step, c::step] for r in rows for c in columns])
        results = iter(attend(group, bias, kernel, border).split(B))
        for r, c in product(rows, columns):
            out[:, r::step, c::step] = next(results)
    return out.flatten(3).permute(0, 3, 1, 2)


def _groups(length: int, step: int) -> list[list[int]]:
    """Group the offsets modulo step by the number of pixels of the axis at each."""
    longer = length % step
    groups = [list(range(longer)), list(range(longer, step)) if length >= step else []]
    return [group for group in groups if group]


def is_inside(length: int, kernel_size: int, dilation: int, device: torch.device) -> Tensor:
    """Return which neighbours of each pixel of an axis are inside the image: (k, length)."""
    offsets = (torch.arange(kernel_size, device=device) - kernel_size // 2) * dilation
    positions = torch.arange(length, device=device) + offsets[:, None]
    return (positions >= 0) & (positions < length)
