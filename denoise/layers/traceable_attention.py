"""Local attention in operations that compilers can trace."""

import torch.nn.functional as F
from torch import Tensor

from denoise.layers.tiled_axis import TILE, Border, TiledAxis


def traceable_attention(
    qkv: Tensor, bias: Tensor, kernel: tuple[int, int], border: Border, step: int
) -> Tensor:
    """Attend in all tiles at once, so that height and width stay dynamic in an export.

    Args:
        qkv: queries, keys and values, (B, H, W, 3, N, D).
        bias: added to the logits, see `tiled_attention`.
        kernel: height and width of a neighbourhood.
        border: see `tiled_attention`.
        step: distance between neighbours in pixels.

    Returns:
        (B, H, W, N, D).
    """
    B, H, W, _, N, D = qkv.shape
    y, x = (
        TiledAxis(
            length,
            min(tile, (length + step - 1) // step),
            k,
            border,
            len(bias[0]),
            bias.device,
            step,
        )
        for length, tile, k in zip((H, W), TILE, kernel, strict=True)
    )
    table = F.pad(bias.to(qkv.dtype), (0, 1, 0, 1), value=float("-inf"))
    mask = table[:, y.bias_index][..., x.bias_index]
    q = qkv[:, :, :, 0][:, y.queries][:, :, :, x.queries].permute(0, 1, 3, 5, 2, 4, 6)
    kv = qkv[:, :, :, 1:][:, y.keys][:, :, :, x.keys].permute(5, 0, 1, 3, 6, 2, 4, 7)
    k, v = kv.reshape(2, B, y.tiles * x.tiles * N, y.span * x.span, D)
    out = F.scaled_dot_product_attention(
        q.reshape(B, y.tiles * x.tiles * N, y.tile * x.tile, D),
        k,
        v,
        attn_mask=mask.permute(1, 4, 0, 2, 5, 3, 6).reshape(
            1, y.tiles * x.tiles * N, y.tile * x.tile, y.span * x.span
        ),
    )
    out = out.view(B, y.tiles, x.tiles, N, y.tile, x.tile, D).permute(0, 1, 4, 2, 5, 3, 6)
    out = out.reshape(B, y.tiles * y.tile, x.tiles * x.tile, N, D)
    # Indexing copies: of views, torch.export would fix the strides.
    return out[:, y.position][:, :, x.position]
