"""Backends of neighbourhood attention other than `tiled_attention`, and their limits."""

import logging
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from denoise.layers.tiled_attention import tiled_attention
from denoise.layers.tiled_axis import Border

BLOCK = 128  # tokens of one block of FlexAttention
WIDTHS = (8, 16, 32, 64, 128)  # of heads that NATTEN computes on every device

log = logging.getLogger(__name__)


def flex_attention_2d(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Compute neighbourhood attention by FlexAttention, see `tiled_attention`."""
    B, H, W, _, N, D = qkv.shape
    middle = bias.shape[1] // 2

    def visible(query: Tensor, key: Tensor, length: int, k: int) -> Tensor:
        first = query - k // 2
        if border == "shift":
            first = first.clamp(0, length - k)
        return (key >= first) & (key < first + k)

    def mask(b: Tensor, n: Tensor, query: Tensor, key: Tensor) -> Tensor:
        rows = visible(query // W, key // W, H, kernel[0])
        return rows & visible(query % W, key % W, W, kernel[1])

    def score(logit: Tensor, b: Tensor, n: Tensor, query: Tensor, key: Tensor) -> Tensor:
        y = (key // W - query // W + middle).clamp(0, 2 * middle)
        x = (key % W - query % W + middle).clamp(0, 2 * middle)
        return logit + bias[n, y, x]

    q, k, v = qkv.permute(3, 0, 4, 1, 2, 5).flatten(3, 4)
    attend = flex_attention if torch.compiler.is_compiling() else _compiled(qkv.device.type)
    out = attend(q, k, v, score_mod=score, block_mask=blocks(H, W, kernel[0], mask, qkv.device))
    return out.transpose(1, 2).reshape(B, H, W, N, D)


@cache
def _compiled(device: str) -> Any:
    # Uncompiled, as after too many sizes, it allocates the full table of pixels by pixels.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    # With dynamic sizes the code that torch 2.15 writes for a CPU does not compile.
    return torch.compile(flex_attention, dynamic=False if device == "cpu" else None)


def blocks(H: int, W: int, k: int, mask: Any, device: torch.device) -> BlockMask:
    """Return the blocks of keys that each block of queries may attend to: rows of pixels around it.

    Computed block by block: the full table of pixels by pixels would not fit in memory.
    """
    first = torch.arange(0, H * W, BLOCK, device=device)
    last = (first + BLOCK - 1).clamp(max=H * W - 1)
    # Neighbourhoods reach k - 1 rows at most, moved inward or not.
    low = (first // W - k + 1).clamp(min=0) * W // BLOCK
    high = ((last // W + k - 1).clamp(max=H - 1) * W + W - 1) // BLOCK
    index = (low[:, None] + torch.arange(len(first), device=device)).clamp(max=len(first) - 1)
    return BlockMask.from_kv_blocks(
        (high - low + 1).int()[None, None],
        index.int()[None, None],
        BLOCK_SIZE=BLOCK,
        mask_mod=mask,
        seq_lengths=(H * W, H * W),
    )


def natten_attention(qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border) -> Tensor:
    """Compute it by NATTEN, without bias and with the border `shift`, see `tiled_attention`."""
    return import_module("natten").na2d(*qkv.unbind(3), kernel_size=kernel)


BACKENDS = {"tiles": tiled_attention, "flex": flex_attention_2d, "natten": natten_attention}


def unsupported_reason(
    name: str, qkv: Tensor, num_heads: int, has_bias: bool, min_size: int
) -> str:
    """Return why a backend cannot compute this exactly, and the remedy; empty if it can.

    Args:
        name: one of `BACKENDS`.
        qkv: queries, keys and values, (B, 3C, H, W).
        num_heads: heads of each.
        has_bias: whether there is a position bias.
        min_size: pixels that a neighbourhood spans along an axis, dilation included.
    """
    on_cpu, width = qkv.device.type == "cpu", qkv.shape[1] // 3 // num_heads
    reason = ""
    if name == "tiles":
        return reason
    if on_cpu and qkv.requires_grad:
        reason = "has no backward pass on a CPU"
    elif qkv.dtype == torch.float64:
        reason = "does not compute in float64"
    elif name == "flex":
        reason = f"needs heads of 16 channels or more, not {width}" if width < 16 else ""
    elif not find_spec("natten"):
        reason = "is not installed: pip install natten"
    elif has_bias:
        reason = "has no position bias: position_bias=false"
    elif width not in WIDTHS:
        reason = f"computes heads of {', '.join(map(str, WIDTHS))} channels, not {width}"
    elif min(qkv.shape[2:]) < min_size:
        reason = f"needs {min_size} pixels along an axis, not {min(qkv.shape[2:])}"
    return reason and f"backend={name} {reason}; or choose backend=tiles"


def select_backend(*request: Any) -> str:
    """Choose the fastest exact backend; arguments as of `unsupported_reason`, without the name."""
    device, name = request[0].device.type, "tiles"
    if device == "cuda" and not torch.compiler.is_exporting():
        names = ["flex"]
        if find_spec("natten") and import_module("natten").HAS_LIBNATTEN:
            names.insert(0, "natten")
        name = next((name for name in names if not unsupported_reason(name, *request)), name)
    if device != "meta" and not torch.compiler.is_compiling():  # meta: only shapes are asked for
        _log_backend(name, device)
    return name


@cache
def _log_backend(name: str, device: str) -> None:
    log.info("neighborhood attention on %s: backend=%s", device, name)
