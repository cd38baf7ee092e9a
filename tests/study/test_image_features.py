"""Images that repeat themselves, and those that do not."""

import numpy as np
import pytest
import torch

from denoise.study.image_features import mean_gradient, self_similarity


def test_a_ramp_has_the_gradient_of_its_slope():
    ramp = torch.arange(100, dtype=torch.uint8).expand(3, 50, 100)
    assert mean_gradient(ramp) == pytest.approx(1)
    assert mean_gradient(ramp.float() / 255) == pytest.approx(1, rel=1e-5)


def test_what_repeats_itself_is_similar():
    rng = np.random.default_rng(0)
    tile = rng.random((3, 16, 16))
    repeated = torch.from_numpy(np.tile(tile, (1, 6, 6)))
    noise = torch.from_numpy(rng.random((3, 96, 96)))
    assert self_similarity(repeated) == pytest.approx(1)
    assert 0 <= self_similarity(noise) < 0.5
    assert self_similarity((repeated + noise) / 2) < 0.9
    assert self_similarity(torch.full((3, 40, 40), 0.5)) == 1


def test_of_a_large_image_the_centre_is_compared():
    image = torch.rand(3, 300, 260, generator=torch.Generator().manual_seed(0))
    assert self_similarity(image) == self_similarity(image[:, 54:246, 34:226])
