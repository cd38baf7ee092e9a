"""Non-local means: an honest opponent."""

from pathlib import Path

import pytest
import torch
from skimage.data import chelsea

from denoise.evaluation.baselines import estimate_sigma, non_local_means
from denoise.evaluation.protocols import Kair

PROTOCOL = Kair()


@pytest.fixture(scope="module")
def clean():
    return torch.from_numpy(chelsea()).permute(2, 0, 1)[None].float() / 255


def test_configs():
    configs = Path(__file__).parents[1] / "configs" / "baseline"
    assert {path.stem for path in configs.glob("*.yaml")} == {"nlm", "none"}
    assert "denoise.evaluation.baselines.non_local_means\n" in (configs / "nlm.yaml").read_text()


@pytest.mark.parametrize("sigma", [25, None])
def test_anchor_on_the_cat(clean, sigma):
    noisy = PROTOCOL.noisy(clean, 25)
    before = noisy.clone()
    restored = non_local_means(noisy, sigma)
    assert PROTOCOL.score(restored, clean)["psnr"].item() == pytest.approx(30.61, abs=0.05)
    assert torch.equal(noisy, before)


@pytest.mark.parametrize("shape", [(1, 1, 40, 31), (1, 3, 5, 17), (1, 1, 1, 1)])
def test_keeps_shape_and_dtype(shape):
    noisy = torch.rand(shape, dtype=torch.float64)
    restored = non_local_means(noisy, 25)
    assert (restored.shape, restored.dtype) == (noisy.shape, noisy.dtype)
    assert restored.isfinite().all()


def test_no_noise_is_left_alone():
    image = torch.full((1, 3, 16, 16), 0.3)
    assert torch.equal(non_local_means(image, 0), image)
    assert torch.equal(non_local_means(image), image)


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_estimate_on_a_photograph(clean, sigma):
    assert estimate_sigma(PROTOCOL.noisy(clean, sigma)) == pytest.approx(sigma, rel=0.04)


def test_estimate_on_pure_noise():
    noisy = PROTOCOL.noisy(torch.full((1, 3, 300, 300), 0.5), 25)
    assert estimate_sigma(noisy) == pytest.approx(25, rel=0.01)
