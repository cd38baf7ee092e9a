"""PSNR and SSIM against scikit-image, per image."""

import numpy as np
import pytest
import torch
from skimage.data import chelsea
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from denoise.inference.memory import peak_of
from denoise.metrics import TILE, psnr, quantize, ssim


def pair(channels, dtype, size=(61, 83)):
    generator = torch.Generator().manual_seed(0)
    image = torch.from_numpy(chelsea()[: size[0], : size[1], :channels].copy())
    clean = image.permute(2, 0, 1).double().expand(3, -1, -1, -1) / 255
    sigma = torch.tensor([0.01, 0.1, 0.3]).view(3, 1, 1, 1)
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    return (clean + sigma * noise).to(dtype), clean.to(dtype)


def skimage_ssim(restored, clean):
    """Scikit-image's Gaussian form on the valid interior, (C, H, W)."""
    images = [image.double().permute(1, 2, 0).numpy() for image in (restored, clean)]
    _, values = structural_similarity(
        *images,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        full=True,
    )
    return values[5:-5, 5:-5].mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_both_agree_with_scikit_image_per_image(channels, dtype):
    restored, clean = pair(channels, dtype)
    expected = [
        peak_signal_noise_ratio(*(x.double().numpy() for x in images), data_range=1)
        for images in zip(clean, restored, strict=True)
    ]
    np.testing.assert_allclose(psnr(restored, clean), expected, atol=1e-4, rtol=0)
    expected = [skimage_ssim(*images) for images in zip(restored, clean, strict=True)]
    np.testing.assert_allclose(ssim(restored, clean), expected, atol=1e-6, rtol=0)
    assert psnr(restored, clean).dtype == ssim(restored, clean).dtype == dtype


@pytest.mark.parametrize("size", [(TILE, TILE + 1), (TILE + 10, 2 * TILE + 11), (11, TILE + 20)])
def test_windows_do_not_show(size):
    clean = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    restored = clean.sqrt()
    psnr_of_all = -10 * (restored - clean).square().mean().log10()
    assert psnr(restored, clean).item() == pytest.approx(psnr_of_all.item(), abs=1e-4)
    assert ssim(restored, clean).item() == pytest.approx(
        skimage_ssim(restored[0], clean[0]), abs=1e-6
    )


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_memory_does_not_grow_with_the_image(metric):
    """The whole image took 382 MiB a megapixel."""
    image = torch.rand(1, 3, 3 * TILE, 3 * TILE)
    assert peak_of(lambda: metric(image, image)) < 30 * 2**20


@pytest.mark.parametrize("level", [0, 1, 128, 230, 255])
@pytest.mark.parametrize("spread", [0, 1, 3])
def test_ssim_of_flat_regions(level, spread):
    clean = torch.full((1, 3, 64, 64), level / 255)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    restored = quantize(clean + spread / 255 * noise)
    assert ssim(restored, clean).item() == pytest.approx(
        skimage_ssim(restored[0], clean[0]), abs=1e-6
    )


def test_identical_images():
    image = torch.rand(2, 3, 11, 11)
    assert psnr(image, image).tolist() == [float("inf")] * 2
    assert ssim(image, image).tolist() == [1, 1]


@pytest.mark.parametrize("size", [(10, 64), (64, 1)])
def test_ssim_refuses_images_below_its_window(size):
    image = torch.zeros(1, 3, *size)
    with pytest.raises(ValueError, match=f"got \\({size[0]}, {size[1]}\\)"):
        ssim(image, image)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_shapes_must_be_equal(metric):
    with pytest.raises(ValueError, match=r"\(1, 3, 16, 16\) but clean is \(1, 1, 16, 16\)"):
        metric(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))


def test_quantize():
    image = torch.linspace(-0.5, 1.5, 999)
    expected = np.uint8((image.clamp(0, 1).numpy() * 255.0).round())  # as KAIR's tensor2uint
    np.testing.assert_array_equal((quantize(image) * 255).round(), expected)
    levels = torch.arange(256) / 255
    assert torch.equal(quantize(levels), levels)
