"""Add an attention without touching the package: python docs/examples/own_attention.py STEPS"""

import sys

import torch
from torch import Tensor, nn

from denoise.backbone.restormer import Restormer
from denoise.feedforward import GDFN
from denoise.metrics import psnr
from denoise.noise.synthetic import Gaussian
from denoise.norm import LayerNorm


class RowMeanAttention(nn.Module):
    """Gates each pixel by the mean of its row."""

    def __init__(self, dim: int, num_heads: int, block_index: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(dim, dim, 1)
        self.proj = nn.Conv2d(dim, dim, 1)
        nn.init.zeros_(self.proj.weight)  # a fresh block is the identity
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        return self.proj(x * self.gate(x.mean(3, keepdim=True)).sigmoid())


torch.manual_seed(0)
net = Restormer(
    RowMeanAttention, LayerNorm, GDFN,
    in_channels=1, out_channels=1, dim=16, num_blocks=[1, 1], num_heads=[1, 2],
    num_refinement_blocks=0,
)  # fmt: skip
noise, generator = Gaussian(sigma=25), torch.Generator().manual_seed(0)
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
sigma = torch.full((2,), 25.0)

# Bars of random grey stand for photographs.
steps = int(sys.argv[1])
for _ in range(steps):
    bars = torch.rand(2, 1, 1, 8, generator=generator)
    clean = bars.repeat_interleave(4, 3).expand(2, 1, 32, 32)
    noisy = noise(clean, generator)
    restored = net(noisy, sigma)
    loss = (restored - clean).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
before, after = psnr(noisy, clean).mean(), psnr(restored.detach(), clean).mean()
print(f"{steps} steps: noisy {before:.2f} dB, restored {after:.2f} dB")
