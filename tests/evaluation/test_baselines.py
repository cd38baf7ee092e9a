"""Classical denoisers: their PSNR on a photograph, and their contract."""

import sys
import warnings

import pytest
import torch
from harness import config, make, options
from skimage.data import chelsea

from denoise.evaluation import baselines
from denoise.evaluation.protocols import Kair

PROTOCOL = Kair()
PSNR = {"non_local_means": 30.61, "wavelet": 29.90, "total_variation": 29.74, "bm3d": 30.80}
PACKAGES = {"wavelet": "pywt", "bm3d": "bm3d"}


@pytest.fixture(params=PSNR)
def baseline(request):
    if request.param in PACKAGES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of others' packages
            pytest.importorskip(PACKAGES[request.param])
    return getattr(baselines, request.param)


@pytest.fixture(scope="module")
def clean():
    return torch.from_numpy(chelsea()).permute(2, 0, 1)[None].float() / 255


def test_configs():
    words = [word for word in options("baseline") if word != "none"]
    joined = config(f"baseline=[{','.join(words)}]", name="evaluate").baseline
    targets = {part["_target_"].rpartition(".")[2] for part in joined.values()}
    assert targets == set(PSNR)
    assert len(joined) == len(words)
    assert make("baseline", "baseline=none") == {}


@pytest.mark.parametrize("sigma", [25, None])
def test_anchor_on_the_cat(baseline, clean, sigma):
    if baseline is baselines.bm3d:
        clean = clean[..., 80:176, 120:216]  # the whole takes half a minute
    noisy = PROTOCOL.add_noise(clean, 25)
    before = noisy.clone()
    restored = baseline(noisy, sigma)
    expected = pytest.approx(PSNR[baseline.__name__], abs=0.06)
    assert PROTOCOL.score(restored, clean)["psnr"].item() == expected
    assert torch.equal(noisy, before)


@pytest.mark.parametrize("shape", [(1, 1, 40, 31), (1, 3, 12, 17), (1, 3, 5, 17), (1, 1, 1, 1)])
def test_keeps_shape_and_dtype(baseline, shape):
    if min(shape[2:]) < 11 and baseline.__name__ in PACKAGES:
        pytest.skip("wants more pixels, as SSIM does")
    noisy = torch.rand(shape, dtype=torch.float64)
    restored = baseline(noisy, 25)
    assert (restored.shape, restored.dtype) == (noisy.shape, noisy.dtype)
    assert restored.isfinite().all()


def test_no_noise_is_left_alone(baseline):
    image = torch.full((1, 3, 16, 16), 0.3)
    assert torch.equal(baseline(image, 0), image)
    assert torch.equal(baseline(image), image)


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_a_missing_package_is_named_with_the_remedy(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"baseline={name} needs a package: pip install \w+") as e:
        getattr(baselines, name)(torch.zeros(1, 1, 16, 16), 25)
    assert ("non-commercial" in str(e.value)) == (name == "bm3d")
    assert "\n" not in str(e.value)
