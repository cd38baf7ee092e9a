"""The counts against the paper's, and by hand."""

import pytest
import torch
from deepinv.models.restormer import Restormer as Official
from harness import make
from torch import nn

from denoise.evaluation.complexity import macs, model_complexity


class Sigmaless(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, noisy, sigma):
        return self.net(noisy)


def test_the_papers_model_takes_155_gmac_with_its_attention():
    with torch.device("meta"):
        official = Sigmaless(Official(pretrained=None))
    assert macs(official, 3, 256) / 1e9 == pytest.approx(154.88, abs=0.01)


def test_convolutions_and_attention_matmuls_count():
    dim, side = 16, 24
    mixer = make("attention", "attention=swin")(dim, 2, 0)
    windows = (side // 8) ** 2
    attention = 2 * windows * 64 * 64 * dim
    assert macs(Sigmaless(mixer), dim, side) == side**2 * 4 * dim**2 + attention


def test_counting_holds_no_matrix_of_pixels_by_pixels():
    mixer = make("attention", "attention=non_local")(16, 1, 0)
    tokens = 1024**2  # their matrix would take 4 TiB
    assert macs(Sigmaless(mixer), 16, 1024) == tokens * 4 * 16 * 8 + 2 * tokens**2 * 8


def test_complexity_of_a_convolution():
    net = nn.Conv2d(3, 3, 3, padding=1)
    expected = {"parameters": 84, "macs": 256**2 * 81, "macs_size": 256}
    assert model_complexity(Sigmaless(net), 3) == expected
