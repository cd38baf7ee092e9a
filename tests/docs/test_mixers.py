"""The mixers that pages and pictures are made of."""

import torch
from mixers import factories, randomize
from torch import nn


def test_one_factory_or_one_a_level():
    assert list(factories("swin")) == [""]
    assert list(factories("per_level")) == ["level 1", "level 2", "level 3", "level 4"]


def test_every_parameter_is_drawn():
    torch.manual_seed(0)
    (factory,) = factories("swin").values()
    mixer = randomize(factory(16, 2, 0))
    assert all(parameter.std() > 0 for parameter in mixer.parameters())
    wide = randomize(nn.Conv2d(64, 64, 3))
    assert 0.03 < wide.weight.std() < 0.06  # about the square root of 1 / 576
