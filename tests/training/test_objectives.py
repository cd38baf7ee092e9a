"""Objectives against deepinv, loops over pixels and closed forms, in float64."""

import json
import math

import pytest
import torch
from runs import QUICK
from torch import nn

from denoise.data.sets import ImageSet
from denoise.noise.estimation import realised_sigma
from denoise.noise.synthetic import Gaussian, NoNoise
from denoise.training.objectives import (
    SURE,
    Neighbor2Neighbor,
    Noise2Noise,
    Noise2Void,
    Recorrupted,
    Sample,
    Supervised,
    check_objective,
    neighbors,
)

SIGMA = 25.0
MSE = nn.MSELoss()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sample(size=(2, 3, 12, 14), sigma=SIGMA, seed=0):
    clean = torch.rand(size, generator=generator(seed), dtype=torch.float64) * 0.6 + 0.2
    noise, drawn = Gaussian(sigma), generator(seed + 1)
    noisy = noise(clean, drawn)
    return Sample(noisy, clean, realised_sigma(noisy, clean), lambda: noise(clean, drawn), drawn)


class Net(nn.Module):
    """Takes no sigma; not linear, so that its divergence is no constant."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 3, 1))
        self.double()

    def forward(self, noisy, sigma=None):
        return self.layers(noisy)


def blur(noisy, sigma=None):
    """A linear denoiser: half of each pixel, half of its right neighbour, round a torus."""
    return (noisy + noisy.roll(1, -1)) / 2


def test_supervised_is_the_loss_to_the_clean_image_at_the_level_of_the_sample():
    batch, levels = sample(), []

    def net(noisy, sigma):
        levels.append(sigma)
        return noisy * 0.9

    value = Supervised()(net, batch, MSE)
    assert value == (batch.noisy * 0.9 - batch.clean).square().mean()
    assert levels[0] is batch.level


def test_noise2noise_has_the_gradient_of_the_supervised_one():
    """On average over second draws; its value is larger by the variance."""
    net = Net()
    batch = sample()
    gradients = []
    for _ in range(3000):
        (gradient,) = torch.autograd.grad(
            Noise2Noise()(net, batch, MSE), net.layers[2].bias, retain_graph=False
        )
        gradients.append(gradient)
    mean, error = torch.stack(gradients).mean(0), torch.stack(gradients).std(0) / 3000**0.5
    (exact,) = torch.autograd.grad(MSE(net(batch.noisy), batch.clean), net.layers[2].bias)
    assert ((mean - exact).abs() < 4 * error).all()
    assert error.max() < exact.abs().max() / 20


def test_neighbor2neighbor_is_deepinvs(monkeypatch):
    loss = pytest.importorskip("deepinv").loss
    net, batch = Net(), sample()
    (first, second), _ = neighbors(batch.noisy, generator(5))(batch.noisy), None
    # The same cells as masks of deepinv, which chooses for itself.
    cells = batch.noisy.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    masks = [(cells == half[..., None]).all(1).reshape(-1) for half in (first, second)]
    assert all(mask.sum() == first[:, 0].numel() for mask in masks)
    monkeypatch.setattr(loss.Neighbor2Neighbor, "generate_mask_pair", staticmethod(lambda y: masks))
    expected = loss.Neighbor2Neighbor(gamma=2.0)(batch.noisy, None, lambda y, physics: net(y))
    batch.generator = generator(5)
    value = Neighbor2Neighbor(gamma=2.0)(net, batch, MSE)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    own, theirs = (torch.autograd.grad(v, net.layers[0].weight)[0] for v in (value, expected))
    torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("size", [(1, 1, 2, 2), (2, 3, 5, 7), (1, 2, 8, 6)])
def test_neighbors_are_two_of_each_cell(size):
    image = torch.arange(math.prod(size), dtype=torch.float64).view(size)
    first, second = neighbors(image, generator())(image)
    assert first.shape == second.shape == (*size[:2], size[2] // 2, size[3] // 2)
    width = size[3]
    for one, other in zip(first.flatten(), second.flatten(), strict=True):
        difference = abs(one - other).item()
        assert difference in (1, width)  # beside or below each other, never across
        assert torch.equal(one // width // 2 * 2, one // width // 2 * 2)
    drawn = [neighbors(image, generator(s))(image)[0].flatten()[0].item() for s in range(60)]
    assert set(drawn) == {0, 1, width, width + 1}


def test_noise2void_sees_and_counts_the_hidden_pixels_alone():
    batch = sample((2, 3, 40, 50))
    hidden, masked = Noise2Void(0.05, 2).hide(batch.noisy, generator(3))
    assert hidden.double().mean().item() == pytest.approx(0.05, abs=0.01)
    assert torch.equal(masked[~hidden.expand_as(masked)],
                       batch.noisy[~hidden.expand_as(masked)])  # fmt: skip
    for image, _, row, column in hidden.nonzero().tolist():
        rows = [abs(r) if r < 40 else 78 - r for r in range(row - 2, row + 3)]
        columns = [abs(c) if c < 50 else 98 - c for c in range(column - 2, column + 3)]
        window = {(r, c) for r in rows for c in columns}
        values = {tuple(batch.noisy[image, :, r, c].tolist()) for r, c in window}
        assert tuple(masked[image, :, row, column].tolist()) in values
    batch.generator = generator(3)
    value = Noise2Void(0.05, 2)(blur, batch, MSE)
    chosen = hidden.expand_as(batch.noisy)
    assert value == MSE(blur(masked)[chosen], batch.noisy[chosen])
    one = torch.rand(1, 3, 1, 1, dtype=torch.float64)
    assert Noise2Void(1e-6).hide(one, generator())[0].all()  # never none


@pytest.mark.parametrize("size", [(5, 6), (2, 2), (1, 4), (4, 1), (3, 3)])
def test_a_hidden_pixel_never_stands_for_itself(size):
    """Also where a step is mirrored at the border."""
    H, W = size
    image = torch.arange(H * W, dtype=torch.float64).view(1, 1, H, W).expand(500, 1, H, W)
    hidden, masked = Noise2Void(0.9, 2).hide(image, generator())
    assert not (masked == image)[hidden].any()
    near = (masked // W - image // W).abs().clamp(min=0), (masked % W - image % W).abs()
    assert max(n[hidden].max().item() for n in near) <= 2


def test_sure_takes_its_difference_in_full_precision():
    net, batch = Net().float(), sample((2, 3, 32, 32))
    batch.noisy, batch.clean = batch.noisy.float(), batch.clean.float()
    values = []
    for enabled in (True, False):
        batch.generator = generator(2)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            values.append(SURE(SIGMA)(net, batch, MSE))
    torch.testing.assert_close(*values, rtol=1e-5, atol=0)


def test_recorrupted_on_average_is_the_supervised_loss_of_the_noisier_input():
    """Pang et al., theorem 1: up to a constant, the error of the second image."""
    alpha, unit = 0.5, SIGMA / 255
    batch = sample((64, 3, 32, 32))
    differences = []
    for seed in range(1, 21):
        batch.generator, field = generator(seed), generator(seed)
        z = torch.randn(batch.noisy.shape, generator=field, dtype=torch.float64)
        constant = MSE(batch.noisy - unit * z / alpha, batch.clean)
        truth = MSE(blur(batch.noisy + alpha * unit * z), batch.clean)
        value = Recorrupted(SIGMA, alpha)(blur, batch, MSE)
        differences.append((value - truth) / constant)
    assert torch.stack(differences).mean().item() == pytest.approx(1, abs=0.01)


def test_recorrupted_is_deepinvs():
    """Whose alpha is that of its paper on the generalised form: a / sqrt(1 + a^2) of ours."""
    dinv = pytest.importorskip("deepinv")
    net, batch, alpha = Net(), sample(), 0.15
    theirs = dinv.loss.R2RLoss(alpha=alpha, noise_model=dinv.physics.GaussianNoise(SIGMA / 255))
    own = (alpha / (1 - alpha)) ** 0.5
    z = torch.randn(batch.noisy.shape, generator=generator(7), dtype=torch.float64)
    seen = batch.noisy + own * SIGMA / 255 * z
    target = (batch.noisy - seen * (1 - alpha)) / alpha

    class Model:
        def get_corruption(self):
            return seen

    physics = dinv.physics.Denoising()
    expected = theirs(net(seen), batch.noisy, physics, Model())
    batch.generator = generator(7)
    value = Recorrupted(SIGMA, own)(net, batch, MSE)
    torch.testing.assert_close(target, batch.noisy - SIGMA / 255 * z / own)
    torch.testing.assert_close(value, expected.mean(), rtol=1e-10, atol=0)


def test_sure_is_deepinvs_and_estimates_the_error():
    dinv = pytest.importorskip("deepinv")
    net, batch = Net(), sample((4, 3, 64, 64))
    batch.generator = generator(9)
    value = SURE(SIGMA, step=1e-3)(net, batch, MSE)
    theirs = dinv.loss.SureGaussianLoss(SIGMA / 255, tau=1e-3, rng=generator(9))
    expected = theirs(
        y=batch.noisy, x_net=net(batch.noisy), physics=dinv.physics.Denoising(),
        model=lambda y, physics: net(y),
    )  # fmt: skip
    torch.testing.assert_close(value, expected.mean(), rtol=1e-6, atol=0)
    batch = sample((64, 3, 64, 64))
    estimate, error = SURE(SIGMA)(blur, batch, MSE), MSE(blur(batch.noisy), batch.clean)
    assert estimate.item() == pytest.approx(error.item(), rel=0.02)


def test_what_the_images_do_not_hold_is_told():
    pixels = [torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()]
    alone = {"mine": ImageSet(["a"], ["a.png"], pixels, 3)}
    pairs = {"mine": ImageSet(["a"], ["a.png"], pixels, 3, pixels)}
    for objective in (Supervised(), Noise2Noise()):
        with pytest.raises(ValueError, match=r"images of mine are noisy as they are.*choose obj"):
            check_objective(objective, NoNoise(), alone)
        check_objective(objective, NoNoise(), pairs)
        check_objective(objective, Gaussian(25), alone)
    check_objective(SURE(), NoNoise(), alone)
    for build, answer in (
        (lambda: Noise2Void(0), "share=0, radius=2"), (lambda: Noise2Void(0.1, 1.5), "radius=1.5"),
        (lambda: Neighbor2Neighbor(-1), "gamma=-1 is a weight"),
        (lambda: Recorrupted(alpha=0), "alpha=0 must be positive"),
        (lambda: SURE(step=0), "step=0 must be positive"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=answer):
            build()


@pytest.mark.parametrize(
    "name",
    ["neighbor2neighbor", *(pytest.param(name, marks=pytest.mark.slow)
                            for name in ("noise2noise", "noise2void", "r2r", "sure"))],
)  # fmt: skip
def test_training_with_clean_validation_reports_psnr(train, name):
    folder = train(f"objective={name}", "loss=mse", "trainer.max_steps=2",
                   "trainer.val_check_interval=2")  # fmt: skip
    results = json.loads((folder / "results.json").read_text())
    assert results["training"]["val_psnr"] > 5
    assert results["average"]


def test_without_any_clean_image_the_objective_chooses(command, photos, tmp_path, capfd):
    """Of images that are noisy as they are, whose PSNR nobody knows."""
    command("train", *QUICK, "noise=none", "objective=sure", "backbone.sigma_map=true",
            "trainer.max_steps=4", "trainer.val_check_interval=2", "hydra.run.dir=run")  # fmt: skip
    out = capfd.readouterr().out
    assert out.count("no clean images: no PSNR") == 2
    assert "no clean images: nothing is scored" in out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "val_psnr" not in results["training"]
    assert results["average"] == []
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    with pytest.raises(SystemExit, match="choose objective=neighbor2neighbor"):
        command("train", *QUICK, "noise=none", "hydra.run.dir=again")
