"""1x1 convolutions, fast on one thread too."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ONEDNN = torch.backends.mkldnn.is_available()


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map the channels of each pixel: (B, C, H, W) by (D, C, 1, 1) to (B, D, H, W)."""
    # On one thread torch keeps 1x1 convolutions in float32 from oneDNN, which is up to 2.7 times
    # as fast, unless they are dilated; dilating one pixel changes nothing.
    use_onednn = ONEDNN and x.device.type == "cpu" and x.dtype == torch.float32
    return F.conv2d(
        x, weight, bias, dilation=1 + (use_onednn and not torch.compiler.is_exporting())
    )


class Conv1x1(nn.Conv2d):
    """A 1x1 convolution.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        bias: whether it has one.
        zero_init: whether it starts at zero, as the last map of a residual branch does.
        channels_last: whether the output is channels_last whatever the layout of the input, for
            attention that copies pixels from it; the input is converted, as it is narrower.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        zero_init: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)
        self.channels_last = channels_last
        if zero_init:
            zero_parameters(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W)."""
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return conv1x1(x, self.weight, self.bias)


def zero_parameters(layer: nn.Module) -> None:
    """Set weight and bias to zero, so that a residual branch adds nothing at initialisation.

    Training then begins at the identity (Goyal et al. 2017, arXiv 1706.02677; Zhang et al. 2019,
    arXiv 1901.09321), whatever the attention.
    """
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
