"""The measuring protocols against literal numpy code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import chelsea, coffee
from skimage.metrics import peak_signal_noise_ratio

from denoise.data.sets import ImageSet
from denoise.evaluation.protocols import (
    Clipped8,
    Independent,
    Kair,
    Real,
    Seeded,
    SwinIRBGR,
    follow,
)
from denoise.noise.synthetic import Gaussian, Poisson, Speckle

PROTOCOLS = [Kair(), SwinIRBGR(), Clipped8(), Real(), Seeded(Poisson(50)), Independent()]


def tensor(pixels):
    return torch.from_numpy(np.float32(pixels / 255.0)).permute(2, 0, 1)[None]


@pytest.fixture(params=[1, 3], ids=["grey", "rgb"])
def pixels(request):
    return chelsea()[:97, :130, : request.param].copy()


def kairs_noise(image, sigma):
    """As utils of KAIR: `np.random.seed(seed=0)` before every image, on (H, W, C) float32."""
    state = np.random.get_state()
    np.random.seed(seed=0)
    image = image + np.random.normal(0, sigma / 255.0, image.shape)
    np.random.set_state(state)
    return image.astype(np.float32)


def test_every_protocol_has_a_config():
    configs = Path(__file__).parents[2] / "configs" / "protocol"
    assert {path.stem for path in configs.glob("*.yaml")} == {p.name for p in PROTOCOLS}
    for protocol in PROTOCOLS:
        first = (configs / f"{protocol.name}.yaml").read_text().splitlines()[0]
        assert first == f"_target_: denoise.evaluation.protocols.{type(protocol).__name__}"


@pytest.mark.parametrize("sigma", [15, 50.0])
def test_kair(pixels, sigma):
    clean = tensor(pixels)
    before = clean.clone()
    expected = kairs_noise(np.float32(pixels / 255.0), sigma)
    noisy = Kair().add_noise(clean, sigma)
    assert noisy.dtype == torch.float32
    np.testing.assert_array_equal(noisy[0].permute(1, 2, 0), expected)
    assert torch.equal(clean, before)


def test_kair_gives_equal_shapes_the_identical_field():
    clean = torch.stack([torch.zeros(3, 20, 30), torch.full((3, 20, 30), 0.5)]).double()
    fields = Kair().add_noise(clean, 25) - clean
    torch.testing.assert_close(fields[0], fields[1], rtol=0, atol=1e-15)
    torch.testing.assert_close(fields[:1], Kair().add_noise(clean[:1], 25) - clean[:1])


def test_kair_leaves_the_global_state_alone():
    before = np.random.get_state()[1].copy()
    Kair().add_noise(torch.zeros(1, 3, 8, 8), 25)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_swinir_draws_in_the_order_blue_green_red(pixels):
    bgr = np.float32(pixels / 255.0)[..., ::-1]
    expected = kairs_noise(bgr, 25)[..., ::-1]
    noisy = SwinIRBGR().add_noise(tensor(pixels), 25)
    np.testing.assert_array_equal(noisy[0].permute(1, 2, 0), expected)


def test_clipped8_is_what_a_file_holds(pixels):
    expected = kairs_noise(np.float32(pixels / 255.0), 50)
    expected = np.uint8((expected.clip(0, 1) * 255.0).round())
    noisy = Clipped8().add_noise(tensor(pixels), 50)
    np.testing.assert_array_equal((noisy[0] * 255).permute(1, 2, 0).round(), expected)
    assert torch.equal(noisy, torch.from_numpy(expected).permute(2, 0, 1)[None] / 255)


@pytest.mark.parametrize("sigma", [None, [0, 50], -1, float("nan")])
def test_kair_refuses_anything_but_one_sigma(sigma):
    with pytest.raises(ValueError, match="protocol clipped8 needs one sigma >= 0, got"):
        Clipped8().add_noise(torch.zeros(1, 3, 8, 8), sigma)


def test_real_takes_the_partner_and_refuses_without():
    clean, noisy = torch.rand(2, 1, 3, 8, 8)
    assert torch.equal(Real().add_noise(clean, None, noisy), noisy)
    with pytest.raises(ValueError, match="pairs"):
        Real().add_noise(clean, None)


def test_seeded_starts_anew_for_every_image():
    clean = torch.rand(2, 3, 9, 9)
    protocol = Seeded(Poisson(50))
    noisy = protocol.add_noise(clean, None)
    assert torch.equal(noisy, protocol.add_noise(clean, None))
    assert torch.equal(noisy[1:], protocol.add_noise(clean[1:], None))
    expected = Poisson(50)(clean[1:], torch.Generator().manual_seed(0))
    assert torch.equal(noisy[1:], expected)


def test_needs_sigma():
    assert [p.name for p in PROTOCOLS if p.needs_sigma] == [
        "kair", "swinir_bgr", "clipped8", "independent"
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_score_is_on_uint8(protocol):
    pixels = chelsea()[:60, :70]
    clean = tensor(pixels)
    restored = torch.cat([clean + 0.2, Gaussian(25)(clean, torch.Generator().manual_seed(0))])
    files = np.uint8((restored.clamp(0, 1).numpy() * 255.0).round()).transpose(0, 2, 3, 1)
    scores = protocol.score(restored, clean.expand(2, -1, -1, -1))
    assert list(scores) == ["psnr", "ssim"]
    expected = [peak_signal_noise_ratio(pixels, file) for file in files]
    np.testing.assert_allclose(scores["psnr"], expected, atol=1e-4, rtol=0)
    assert scores["ssim"].shape == (2,)
    assert scores["ssim"][0] > scores["ssim"][1]


def test_anchor_of_noise_at_sigma_25():
    """20 log10(255 / 25) = 20.17 dB, a little more where the output is clamped."""
    protocol = Kair()
    grey = torch.full((1, 3, 200, 200), 0.5)
    score = protocol.score(protocol.add_noise(grey, 25), grey)["psnr"].item()
    assert score == pytest.approx(20.17, abs=0.03)
    for photo, anchor in ((chelsea(), 20.25), (coffee(), 20.79)):
        clean = tensor(photo)
        score = protocol.score(protocol.add_noise(clean, 25), clean)["psnr"].item()
        assert score == pytest.approx(anchor, abs=0.005)


def images(paired):
    pixels = [np.zeros((16, 16, 3), np.uint8)]
    return ImageSet(["a"], ["a.png"], pixels, 3, pixels if paired else None)


@pytest.mark.parametrize(
    ("paired", "noise", "given", "expected"),
    [
        (True, Gaussian(25), Kair(), Real),
        (True, Speckle(25), Seeded(Speckle(25)), Real),
        (True, Gaussian(25), Real(), Real),
        (False, Gaussian([0, 50]), Kair(), Kair),
        (False, Gaussian(25), Clipped8(), Clipped8),
        (False, Speckle(25), Kair(), Seeded),
        (False, lambda clean, generator: clean, Independent(), Seeded),
        (False, Poisson(10), Seeded(Poisson(10)), Seeded),
    ],
)
def test_the_protocol_follows_the_data_and_the_noise(paired, noise, given, expected, caplog):
    found = follow({"x": images(paired)}, noise, given, insisted=False)
    assert type(found) is expected
    if expected is Seeded:
        assert found.noise is noise or found is given
    with caplog.at_level("WARNING", "denoise"):
        assert follow({"x": images(paired)}, noise, given, insisted=True) is given
    assert len(caplog.records) == (type(given) is not expected)


def test_pairs_beside_others_are_refused_unless_noise_is_added_to_all():
    sets = {"x": images(True), "y": images(False)}
    with pytest.raises(ValueError, match="x has noisy photographs, y has none: measure them apart"):
        follow(sets, Gaussian(25), Kair(), insisted=False)
    protocol = Kair()
    assert follow(sets, Gaussian(25), protocol, insisted=True) is protocol
