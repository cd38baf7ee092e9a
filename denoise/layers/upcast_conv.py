"""A convolution that is correct in bfloat16 on every CPU."""

import torch
from torch import Tensor, nn


class UpcastConv2d(nn.Conv2d):
    """Convolution that runs in float32 where a CPU is asked for bfloat16.

    On CPUs with AMX, oneDNN (of torch 2.14) computes strided patches wrongly in bfloat16, output
    and gradients, and fills the weight gradient of dilated depthwise kernels with stale memory
    where the input is channels_last. Elsewhere this is `nn.Conv2d`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        autocast = (
            torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        )
        if x.device.type != "cpu" or not (autocast or x.dtype == torch.bfloat16):
            return super().forward(x)
        bias = None if self.bias is None else self.bias.float()
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(x.float(), self.weight.float(), bias).bfloat16()
