"""The sigma that a model is given, and its estimate from the noisy image."""

import math

import pytest
import torch
from skimage.data import chelsea

from denoise.evaluation.protocols import Kair
from denoise.noise.estimation import (
    WINDOW,
    central_window,
    estimate_line,
    estimate_sigma,
    level_map,
    model_sigma,
    realised_sigma,
)


@pytest.fixture(scope="module")
def clean():
    return torch.from_numpy(chelsea()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_estimate_on_a_photograph(clean, sigma):
    (estimate,) = estimate_sigma(Kair().add_noise(clean, sigma))
    assert estimate.item() == pytest.approx(sigma, rel=0.04)


def test_estimate_on_pure_noise():
    (estimate,) = estimate_sigma(Kair().add_noise(torch.full((1, 3, 300, 300), 0.5), 25))
    assert estimate.item() == pytest.approx(25, rel=0.01)


def test_every_image_of_a_batch_has_its_estimate(clean):
    levels = [Kair().add_noise(clean, sigma) for sigma in (15, 50)]
    together, apart = estimate_sigma(torch.cat(levels)), torch.cat([*map(estimate_sigma, levels)])
    assert torch.equal(together, apart)


def test_estimate_is_the_median_rule(clean):
    noisy = Kair().add_noise(clean[..., :33, :46], 25)
    x = noisy.double()
    details = (x[..., 1:, 1:] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., :-1, :-1]) / 2
    median = details.abs().flatten().sort().values[(details.numel() - 1) // 2].item()
    assert estimate_sigma(noisy).item() == pytest.approx(median / 0.6745 * 255, rel=1e-6)


def test_estimate_of_a_large_image_is_that_of_its_centre():
    noisy = torch.rand(1, 1, WINDOW + 6, WINDOW + 9, generator=torch.Generator().manual_seed(0))
    centre = central_window(noisy)
    assert centre.shape == (1, 1, WINDOW, WINDOW)
    assert torch.equal(centre, noisy[..., 3:-3, 4:-5])
    assert centre.data_ptr() == noisy[..., 3:, 4:].data_ptr()
    assert torch.equal(central_window(centre), centre)
    assert (central_window(noisy.numpy()) == centre.numpy()).all()
    assert torch.equal(estimate_sigma(noisy), estimate_sigma(centre))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_an_image_without_details_is_refused(size):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} pixels cannot be estimated: give"):
        estimate_sigma(torch.zeros(1, 3, *size))


def test_realised_sigma_is_the_root_mean_square():
    clean = torch.zeros(2, 3, 4, 4)
    noisy = torch.stack([torch.full((3, 4, 4), 10 / 255), torch.full((3, 4, 4), -20 / 255)])
    torch.testing.assert_close(realised_sigma(noisy, clean), torch.tensor([10.0, 20.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_is_given_the_nominal_sigma_else_the_estimate(dtype):
    noisy = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert torch.equal(model_sigma(noisy, 25), torch.tensor([25.0, 25.0], dtype=dtype))
    assert torch.equal(model_sigma(noisy, 0), torch.zeros(2, dtype=dtype))
    assert torch.equal(model_sigma(noisy, None), estimate_sigma(noisy).to(dtype))


@pytest.mark.parametrize("sigma", [-1, math.nan, math.inf, "high", [15, 25]])
def test_what_is_not_a_strength_of_noise_is_refused(sigma):
    with pytest.raises(ValueError, match="is not a strength of noise: give a number from 0") as e:
        model_sigma(torch.zeros(1, 1, 4, 4), sigma)
    assert f"sigma={sigma}" in str(e.value)


@pytest.mark.parametrize(("slope", "offset"), [(0.0, 1e-3), (0.01, 0.0), (0.004, 4e-4)])
def test_line_of_poisson_gaussian_noise(slope, offset):
    """On a ramp, whose signal takes all values."""
    ramp = torch.linspace(0.05, 0.95, 400, dtype=torch.float64).expand(2, 3, 300, -1)
    field = torch.randn(ramp.shape, generator=torch.Generator().manual_seed(0), dtype=ramp.dtype)
    noisy = ramp + (slope * ramp + offset).sqrt() * field
    line = estimate_line(noisy)
    assert line.shape == (2, 2)
    for signal in (0.1, 0.5, 0.9):
        expected = (slope * signal + offset) ** 0.5
        found = level_map(line, torch.full((2, 3, 1, 1), signal, dtype=torch.float64))
        assert found.flatten().tolist() == pytest.approx([expected] * 2, rel=0.06)


def test_line_of_a_photograph(clean):
    noisy = clean + (0.01 * clean + 1e-4).sqrt() * torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0)
    )
    slope, offset = estimate_line(noisy)[0].tolist()
    assert slope * 0.5 + offset == pytest.approx(0.01 * 0.5 + 1e-4, rel=0.15)


@pytest.mark.parametrize("size", [(2, 2), (3, 7), (16, 16)])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_line_of_little_or_nothing_is_finite(size, value):
    line = estimate_line(torch.full((2, 4, *size), value))
    assert line.isfinite().all()
    assert (line >= 0).all()


def test_map_of_one_sigma_is_that_sigma():
    noisy = torch.rand(2, 3, 4, 5)
    found = level_map(torch.tensor([0.0, 51.0]), noisy)
    assert found.shape == (2, 1, 4, 5)
    assert torch.equal(found.amax((1, 2, 3)), torch.tensor([0.0, 0.2]))
