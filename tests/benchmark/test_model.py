"""The whole model and the official code are compared on the same weights."""

import torch

from denoise.benchmark.calls import image
from denoise.benchmark.model import same_weights
from denoise.cli.benchmark import FACTORY


def test_both_models_give_the_same_result():
    official, same_model = same_weights(FACTORY)
    x = image(16, dim=3)
    with torch.no_grad():
        torch.testing.assert_close(same_model()(x), official(x), rtol=1e-3, atol=1e-4)
