"""No attention: the identity, which a block leaves out."""

import torch
from harness import make, normal

from denoise.attention.none import Identity


def test_none_returns_its_input():
    x = normal(2, 8, 9, 13)
    assert Identity(8, 2, 0)(x) is x


def test_a_block_without_attention_has_no_first_norm():
    net = make("backbone", "backbone=tiny", "attention=none")
    names = [name for name, _ in net.named_parameters()]
    assert any("norm2" in name for name in names)
    assert not any("norm1" in name or "mixer" in name for name in names)
    assert torch.isfinite(net(normal(1, 3, 16, 16).float())).all()
