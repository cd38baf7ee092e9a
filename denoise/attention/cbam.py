r"""Convolutional block attention: channels are weighed over the image, then pixels.

.. math::

   x' = x \cdot \sigma\big(M(\operatorname{mean} x) + M(\max x)\big), \qquad y_i = x'_i \cdot
   \sigma\big(f_{k \times k} * [\max_c x'; \operatorname{mean}_c x']\big)_i

:math:`M` is a perceptron over channels, applied to the mean and to the maximum of the image;
:math:`f` a convolution of the maximum and mean over channels. The maximum over an image depends on
single pixels, hence the dots in the picture, and grows with size and noise.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from denoise.layers.conv1x1 import Conv1x1
from denoise.option_checks import check_choice, check_odd, check_positive
from denoise.properties import Mixer, MixerProperties


class CBAM(Mixer):
    """Channel gate, then pixel gate, of CBAM (Woo et al. 2018, arXiv 1807.06521).

    Departs from the official code in two ways: no batch norm before the second gate, which would
    make an image depend on the others of its batch, and a leaky ReLU in the first, where a plain
    one can zero all of the few hidden units.

    Args:
        dim: channels.
        num_heads: unused.
        block_index: position of the block in its level; unused.
        reduction: channels over hidden width of the channel gate; at least one is kept.
        pool: input of the channel gate, mean and maximum of each channel or the mean alone; the
            maximum of noise grows with the size of the image.
        kernel_size: odd kernel size of the pixel gate's convolution.
        official: with the batch norm and the plain ReLU.
        projection: whether a 1x1 convolution follows, which starts at zero. The paper's gates stand
            between convolutions; without one, a block cannot begin as the identity.

    Raises:
        ValueError: for an even kernel_size or an unknown pool.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        block_index: int,
        *,
        reduction: int = 16,
        pool: Literal["avg_max", "avg"] = "avg_max",
        kernel_size: int = 7,
        official: bool = False,
        projection: bool = True,
    ) -> None:
        super().__init__()
        check_positive(reduction=reduction)
        check_odd(kernel_size=kernel_size)
        check_choice(("avg_max", "avg"), pool=pool)
        hidden = max(1, dim // reduction)
        self.pool = pool
        act = nn.ReLU() if official else nn.LeakyReLU()
        self.channel = nn.Sequential(Conv1x1(dim, hidden), act, Conv1x1(hidden, dim))
        self.spatial = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01) if official else nn.Identity()
        self.proj = Conv1x1(dim, dim, zero_init=True) if projection else nn.Identity()
        self.properties = MixerProperties(
            family="channel",
            complexity="N",
            receptive_field=None,
            shift_period=1,
            zero_init=projection,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        logits = self.channel(x.mean((2, 3), keepdim=True))
        if self.pool == "avg_max":
            logits = logits + self.channel(x.amax((2, 3), keepdim=True))
        x = x * logits.sigmoid()
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return self.proj(x * self.norm(self.spatial(summary)).sigmoid())
