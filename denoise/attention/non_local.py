r"""Non-local block: every pixel attends to every pixel.

.. math::

   y_i = W \sum_{j} \operatorname{softmax}_j\big(s \, \theta(x_i)^\top \phi(x_j)\big) g(x_j)

The sum runs over all pixels, or over all keys after pooling; cost is quadratic in
pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from denoise.layers.conv1x1 import zero_parameters
from denoise.option_checks import check_positive
from denoise.properties import Mixer, MixerProperties


class NonLocalBlock(Mixer):
    """Non-local block, embedded Gaussian (Wang et al. 2018, arXiv 1711.07971).

    Departs from the paper in three ways: the softmax has a temperature, there is no batch norm, and
    the pooling of keys and values keeps a last row or column that does not fill its window.

    Args:
        dim: channels; queries, keys and values have half as many.
        num_heads: unused, the block has one head.
        block_index: position of the block in its level; unused.
        pool: height and width in pixels of the max-pooling of keys and values; 1 for none.
        scale: factor on the products of queries and keys: null for the inverse square root of
            their width, 1 for the paper's.

    Raises:
        ValueError: for a pool below 1.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        pool: int = 1,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        check_positive(pool=pool)
        if pool < 1:
            raise ValueError(f"pool={pool} is not a window: choose 1 for none, or more")
        self.pool = pool
        self.scale = scale
        self.width = max(1, dim // 2)
        self.qkv = nn.Linear(dim, 3 * self.width)
        self.proj = nn.Linear(self.width, dim)
        zero_parameters(self.proj)
        self.properties = MixerProperties(
            family="global", complexity="N^2", receptive_field=None, shift_period=self.pool
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        # With strided channels, attention would silently build the whole N x N matrix.
        qkv = self.qkv(x.permute(0, 2, 3, 1).contiguous())
        q, kv = qkv.split([self.width, 2 * self.width], dim=-1)
        if self.pool > 1:
            kv = F.max_pool2d(kv.permute(0, 3, 1, 2), self.pool, ceil_mode=True)
            kv = kv.permute(0, 2, 3, 1).contiguous()
        k, v = kv.chunk(2, dim=-1)
        q, k, v = (t.flatten(1, 2)[:, None] for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.proj(out[:, 0].unflatten(1, x.shape[2:])).permute(0, 3, 1, 2)
