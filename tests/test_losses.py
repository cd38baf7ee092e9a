"""The losses against numpy, and their gradients."""

from inspect import signature

import numpy as np
import pytest
import torch
from harness import config

from denoise.losses import Charbonnier, PSNRLoss
from denoise.metrics import psnr


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    restored, clean = torch.rand(2, 3, 2, 5, 7, generator=generator, dtype=torch.float64)
    restored[1] = clean[1] + 0.01 * (restored[1] - clean[1])  # far from the others' error
    return restored, clean


def test_charbonnier(images):
    difference = np.subtract(*(image.numpy() for image in images))
    for eps in (1e-3, 0.5):
        expected = np.sqrt(difference**2 + eps**2).mean()
        assert Charbonnier(eps)(*images).item() == pytest.approx(expected, rel=1e-12)


def test_psnr_loss_averages_over_images(images):
    difference = np.subtract(*(image.numpy() for image in images))
    expected = 10 * np.log10((difference**2).mean((1, 2, 3)) + 1e-8).mean()
    assert PSNRLoss(1e-8)(*images).item() == pytest.approx(expected, rel=1e-12)
    assert PSNRLoss(0)(*images).item() == pytest.approx(-psnr(*images).mean().item())


@pytest.mark.parametrize("loss", [Charbonnier(0.1), PSNRLoss()])
def test_gradients(loss, images):
    restored, clean = images
    assert torch.autograd.gradcheck(lambda x: loss(x, clean), restored.requires_grad_())


@pytest.mark.parametrize("loss", [Charbonnier(), PSNRLoss()])
def test_identical_images_have_a_finite_gradient(loss):
    image = torch.rand(2, 3, 4, 4, requires_grad=True)
    loss(image, image.detach()).backward()
    assert torch.equal(image.grad, torch.zeros_like(image))


@pytest.mark.parametrize(("option", "loss"), [("charbonnier", Charbonnier), ("psnr", PSNRLoss)])
def test_configs_state_every_option_with_its_default(option, loss):
    stated = dict(config(f"loss={option}").loss)
    assert stated.pop("_target_") == f"denoise.losses.{loss.__name__}"
    assert stated == {name: p.default for name, p in signature(loss).parameters.items()}
