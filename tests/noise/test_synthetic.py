"""The noise models against theory, scikit-image, PIL and their contract."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from skimage.data import chelsea
from skimage.util import random_noise

from denoise.noise.estimation import realised_sigma
from denoise.noise.synthetic import (
    Correlated,
    Gaussian,
    Jpeg,
    Poisson,
    PoissonGaussian,
    SaltPepper,
    Speckle,
    add_gaussian,
    sigma_to_unit,
)

NOISES = {
    "gaussian": Gaussian([5, 50]),
    "poisson": Poisson([10, 100]),
    "poisson_gaussian": PoissonGaussian([10, 100], [5, 50]),
    "speckle": Speckle([5, 50]),
    "salt_pepper": SaltPepper([0.05, 0.5]),
    "jpeg": Jpeg([5, 50], [10, 90]),
    "correlated": Correlated([5, 50], [0.5, 2.0]),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=NOISES)
def noise(request):
    return NOISES[request.param]


@pytest.fixture(scope="module")
def cat():
    return torch.from_numpy(chelsea()[:131, :173].copy()).permute(2, 0, 1)[None].double() / 255


def flat(value=0.5, size=(1, 1, 400, 500)):
    return torch.full(size, value, dtype=torch.float64)


def test_every_noise_has_a_config():
    configs = Path(__file__).parents[2] / "configs" / "noise"
    assert {path.stem for path in configs.glob("*.yaml")} == {
        *NOISES,
        "blind_gaussian",
        "camera",
        "none",
    }
    for name, noise in NOISES.items():
        keys = OmegaConf.load(configs / f"{name}.yaml")
        assert keys.pop("_target_") == f"denoise.noise.synthetic.{type(noise).__name__}"
        assert set(vars(noise)) == set(keys) - {"defaults"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 17, 31), (3, 1, 16, 5)])
def test_keeps_shape_dtype_and_clean(noise, shape, dtype):
    clean = torch.rand(shape, generator=seeded(), dtype=dtype)
    before = clean.clone()
    noisy = noise(clean, seeded())
    assert (noisy.shape, noisy.dtype, noisy.device) == (clean.shape, dtype, clean.device)
    assert noisy.isfinite().all()
    assert torch.equal(clean, before)
    assert noisy.data_ptr() != clean.data_ptr()


def test_all_randomness_comes_from_the_generator(noise):
    clean = torch.rand(2, 3, 16, 16, generator=seeded())
    state = torch.get_rng_state()
    first, again, other = (noise(clean, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_channels_last_gives_the_same(noise):
    clean = torch.rand(2, 3, 16, 24, generator=seeded(), dtype=torch.float64)
    noisy = noise(clean.to(memory_format=torch.channels_last), seeded())
    torch.testing.assert_close(noisy, noise(clean, seeded()))


def test_a_range_gives_every_image_its_own_strength(noise, cat):
    levels = realised_sigma(noise(cat.expand(4, -1, -1, -1), seeded()), cat)
    assert levels.sort().values.diff().min() > 0.2


def test_a_range_is_drawn_uniformly():
    clean = flat(size=(500, 1, 32, 32))
    levels = realised_sigma(Gaussian([10, 50])(clean, seeded()), clean)
    assert 10 * 0.9 < levels.min() < 12
    assert 48 < levels.max() < 50 * 1.1
    assert levels.mean() == pytest.approx(30, abs=3 * 40 / math.sqrt(12 * 500))


def test_images_of_a_batch_differ(noise):
    noisy = noise(flat(size=(2, 3, 16, 16)), seeded())
    assert not torch.equal(noisy[0], noisy[1])


def test_sigma_is_in_grey_levels():
    assert sigma_to_unit(255) == 1


def test_gaussian_noise_is_a_field_times_sigma():
    clean, field = torch.rand(2, 2, 3, 8, 8, generator=seeded(), dtype=torch.float64)
    sigma = torch.tensor([10.0, 25.0], dtype=torch.float64).view(2, 1, 1, 1)
    expected = clean.numpy() + sigma.numpy() / 255 * field.numpy()
    np.testing.assert_array_equal(add_gaussian(clean, sigma, field), expected)
    white = Gaussian(25)(clean, seeded(1))
    generator = seeded(1)
    torch.rand(2, 1, 1, 1, generator=generator, dtype=torch.float64)  # of the strength
    field = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    assert torch.equal(white, add_gaussian(clean, 25, field))


@pytest.mark.parametrize("sigma", [0, 15, 50.0])
def test_gaussian(sigma):
    clean = flat()
    error = Gaussian(sigma)(clean, seeded()) - clean
    assert error.mean().item() == pytest.approx(0, abs=1e-3 * sigma / 50)
    assert realised_sigma(error, torch.zeros_like(error)).item() == pytest.approx(sigma, rel=0.01)
    if sigma:  # kurtosis 3, white
        assert (error**4).mean() / error.var() ** 2 == pytest.approx(3, abs=0.05)
        assert abs(correlation(error, 1)) < 0.01


@pytest.mark.parametrize("value", [0.02, 0.5, 1.0])
def test_poisson(value):
    peak = 20
    counts = Poisson(peak)(flat(value), seeded()) * peak
    torch.testing.assert_close(counts, counts.round())
    assert counts.mean().item() == pytest.approx(value * peak, rel=0.02)
    assert counts.var().item() == pytest.approx(value * peak, rel=0.02)
    expected = np.random.RandomState(0).poisson(value * peak, counts.shape)
    assert (counts == 0).double().mean().item() == pytest.approx((expected == 0).mean(), abs=5e-3)


def test_poisson_gaussian_adds_the_variances():
    value, peak, sigma = 0.4, 50, 20
    noisy = PoissonGaussian(peak, sigma)(flat(value), seeded())
    assert noisy.mean().item() == pytest.approx(value, rel=0.01)
    assert noisy.var().item() == pytest.approx(value / peak + sigma_to_unit(sigma) ** 2, rel=0.01)


def test_speckle_is_scikit_images():
    values = torch.linspace(0, 1, 4).double()
    clean = values.view(1, 4, 1, 1).expand(1, 4, 300, 300)
    noisy = Speckle(25)(clean, seeded())[0]
    reference = random_noise(
        clean[0].numpy(), "speckle", rng=0, clip=False, var=sigma_to_unit(25) ** 2
    )
    np.testing.assert_allclose(noisy.std((1, 2)), reference.std((1, 2)), rtol=0.02)
    torch.testing.assert_close(noisy.std((1, 2)), values * sigma_to_unit(25), rtol=0.02, atol=1e-12)


@pytest.mark.parametrize("amount", [0, 0.1, 1])
def test_salt_pepper_is_scikit_images(amount):
    noisy = SaltPepper(amount)(flat(), seeded())
    reference = random_noise(flat().numpy(), "s&p", rng=0, amount=amount)
    assert set(noisy.unique().tolist()) <= {0.0, 0.5, 1.0}
    for value in (0, 0.5, 1):
        share = (noisy == value).double().mean().item()
        assert share == pytest.approx((reference == value).mean(), abs=4e-3)
    assert (noisy == 1).double().mean().item() == pytest.approx(amount / 2, abs=4e-3)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("quality", [10, 40, 90])
def test_jpeg_is_near_pils(cat, quality, grey):
    """Measured: 0.31 to 0.37 (RGB) and 0.18 to 0.30 (grey) of the artefacts' own size."""
    clean = (cat.mean(1, keepdim=True) * 255).round() / 255 if grey else cat
    pixels = (clean[0] * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
    reference = (
        torch.from_numpy(np.array(Image.open(file)).reshape(pixels.shape)).permute(2, 0, 1) / 255
    )
    ours = Jpeg(0, quality)(clean, seeded())
    assert realised_sigma(ours, reference[None]) < 0.4 * realised_sigma(reference[None], clean)
    assert realised_sigma(ours, clean) > 0.8 * realised_sigma(reference[None], clean)


def test_jpeg_follows_the_gaussian_and_is_clipped(cat):
    grey = cat[:, :1]  # colour noise would fall to the halved chroma
    assert (
        realised_sigma(Jpeg(25, 100)(grey, seeded()), Gaussian(25)(grey, seeded()).clamp(0, 1)) < 1
    )
    noisy = Jpeg(50, 20)(cat, seeded())
    assert (noisy.min(), noisy.max()) == (0, 1)
    black = Jpeg(50, 10)(flat(0.0, (1, 1, 160, 160)), seeded())  # the clipped half is not coded
    assert black.mean().item() == pytest.approx(sigma_to_unit(50) / math.sqrt(2 * math.pi), rel=0.1)


def test_jpeg_refuses_other_channels():
    with pytest.raises(ValueError, match="got 4"):
        Jpeg(0, 50)(torch.rand(1, 4, 8, 8))


def correlation(error, distance):
    return ((error[..., distance:] * error[..., :-distance]).mean() / error.square().mean()).item()


@pytest.mark.parametrize("correlation_sigma", [0.5, 1.0, 2.5])
def test_correlated_has_the_std_and_the_correlation(correlation_sigma):
    clean = flat(size=(8, 1, 300, 300))
    error = Correlated(25, correlation_sigma)(clean, seeded()) - clean
    assert error.std().item() == pytest.approx(sigma_to_unit(25), rel=0.02)
    for distance in (1, 2, 4, 8):
        expected = math.exp(-((distance / correlation_sigma) ** 2) / 4)  # of the blur with itself
        if correlation_sigma < 1:  # the sampled Gaussian departs from the continuous one
            taps = np.exp(-0.5 * (np.arange(-9, 10) / correlation_sigma) ** 2)
            expected = (taps[distance:] * taps[:-distance]).sum() / (taps**2).sum()
        assert correlation(error, distance) == pytest.approx(expected, abs=0.02)
        assert correlation(error.mT, distance) == pytest.approx(expected, abs=0.02)


def test_correlated_is_stationary_up_to_the_border():
    clean = flat(size=(4000, 1, 12, 12))
    spread = (Correlated(25, 2.0)(clean, seeded()) - clean).std(0)
    np.testing.assert_allclose(spread, sigma_to_unit(25), rtol=0.06)  # 5 standard errors


def test_correlated_draws_a_correlation_per_image():
    clean = flat(size=(2, 1, 200, 200))
    error = Correlated(25, [0.2, 4.0])(clean, seeded(3)) - clean
    correlations = [correlation(image, 1) for image in error]
    assert abs(correlations[0] - correlations[1]) > 0.01
    np.testing.assert_allclose(error.std((1, 2, 3)), sigma_to_unit(25), rtol=0.1)


@pytest.mark.parametrize(
    ("noise", "options"),
    [
        (Gaussian, {"sigma": -1}),
        (Gaussian, {"sigma": [50, 0]}),
        (Gaussian, {"sigma": [0, 25, 50]}),
        (Gaussian, {"sigma": None}),
        (Gaussian, {"sigma": "high"}),
        (Gaussian, {"sigma": math.nan}),
        (Poisson, {"peak": 0}),
        (PoissonGaussian, {"peak": 100, "sigma": [-5, 5]}),
        (Speckle, {"sigma": -0.1}),
        (SaltPepper, {"amount": 1.5}),
        (Jpeg, {"sigma": 0, "quality": 0}),
        (Jpeg, {"sigma": 0, "quality": [50, 101]}),
        (Correlated, {"sigma": 25, "correlation_sigma": 0}),
    ],
)
def test_bad_strengths_are_refused(noise, options):
    name, value = list(options.items())[-1]
    with pytest.raises(ValueError, match=f"{name}=.*<= low <= high <=") as error:
        noise(**options)
    assert str(value) in str(error.value)


@pytest.mark.gpu
def test_on_the_gpu(noise):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    clean = torch.rand(2, 3, 33, 31, device="cuda")
    noisy = [noise(clean, torch.Generator("cuda").manual_seed(0)) for _ in range(2)]
    assert noisy[0].is_cuda
    assert torch.equal(*noisy)
