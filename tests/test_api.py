"""The public API: images in, the same kind of image out."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from harness import ROOT, randomize
from harness import options as group_options
from PIL import Image
from runs import plain, save

import denoise
from denoise.noise.estimation import estimate_sigma

DTYPES = (np.uint8, np.uint16, np.float16, np.float32, np.float64)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A colour model, a grey one, and a colour one that takes sigma, with all weights random."""
    loaded = {}
    for name, words in {
        "colour": ("attention=swin",),
        "grey": ("channels=1",),
        "sigma": ("backbone.sigma_map=true", "norm=dyt"),
    }.items():
        path = tmp_path_factory.mktemp(name) / "a.ckpt"
        save(path, plain(*words))
        loaded[name] = denoise.load(path)
        randomize(loaded[name].net)
    return loaded


def noisy_image(*shape, dtype=np.float64):
    image = np.random.default_rng(0).random(shape)
    if np.issubdtype(dtype, np.integer):
        return (image * np.iinfo(dtype).max).astype(dtype)
    return image.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 1), (9, 13, 3), (1, 7, 3)], ids=str)
@pytest.mark.parametrize("name", ["colour", "grey"])
def test_an_array_keeps_shape_and_dtype(models, name, shape, dtype):
    model, noisy = models[name], noisy_image(*shape, dtype=dtype)
    before = noisy.copy()
    restored = model(noisy)
    assert restored.shape == shape
    assert restored.dtype == dtype
    np.testing.assert_array_equal(noisy, before)
    assert not np.array_equal(restored, noisy)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(3, 9, 13), (2, 3, 9, 13), (2, 1, 5, 4)], ids=str)
def test_a_tensor_keeps_shape_dtype_and_takes_no_gradient(models, shape, dtype):
    noisy = torch.from_numpy(noisy_image(*shape))
    if not dtype.is_floating_point:
        noisy *= torch.iinfo(dtype).max
    restored = models["colour"](noisy.to(dtype).requires_grad_(dtype.is_floating_point))
    assert restored.shape == shape
    assert restored.dtype == dtype
    assert not restored.requires_grad


def test_the_result_is_the_nets(models):
    model, noisy = models["colour"], noisy_image(9, 13, 3, dtype=np.float32)
    tensor = torch.from_numpy(noisy).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = model.net(tensor)
    torch.testing.assert_close(model(tensor), expected, rtol=0, atol=0)
    torch.testing.assert_close(model(tensor[0]), expected[0], rtol=0, atol=0)
    np.testing.assert_array_equal(model(noisy), expected[0].permute(1, 2, 0).numpy())


def test_float64_is_computed_in_float64_by_a_float64_net(models):
    model = models["colour"]
    noisy = torch.from_numpy(noisy_image(1, 3, 9, 13))
    model.net.double()
    try:
        with torch.no_grad():
            expected = model.net(noisy)
        torch.testing.assert_close(model(noisy), expected, rtol=0, atol=0)
    finally:
        model.net.float()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_rounded_and_clipped(models, dtype):
    model, white = models["colour"], np.iinfo(dtype).max
    noisy = noisy_image(9, 13, 3, dtype=dtype)
    floating = model(noisy.astype(np.float32) / white)
    assert floating.min() < 0 or floating.max() > 1
    np.testing.assert_array_equal(model(noisy), (floating.clip(0, 1) * white).round())


def test_channels_are_fitted_as_restore_does(models):
    grey, colour = models["grey"], models["colour"]
    image = noisy_image(9, 13, 3, dtype=np.float32)
    by_channel = np.stack([grey(image[..., c]) for c in range(3)], -1)
    np.testing.assert_allclose(grey(image), by_channel, rtol=0, atol=2e-5)
    repeated = np.repeat(image[..., :1], 3, -1)
    np.testing.assert_allclose(colour(image[..., 0]), colour(repeated).mean(-1), rtol=0, atol=2e-5)


def test_sigma_is_given_or_estimated(models):
    model, noisy = models["sigma"], torch.from_numpy(noisy_image(2, 3, 16, 24)).float()
    noisy[1] *= 0.3
    levels = estimate_sigma(noisy).float()
    with torch.no_grad():
        torch.testing.assert_close(model(noisy), model.net(noisy, levels), rtol=0, atol=0)
        expected = model.net(noisy, torch.tensor([25.0, 25.0]))
    torch.testing.assert_close(model(noisy, sigma=25), expected, rtol=0, atol=0)
    assert not torch.equal(model(noisy, 5), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), r"array of shape \(2, 3, 4, 5\): give \(H, W\)"),
        (np.zeros((4, 5, 4), np.uint8), "an image of 4 channels, but the model takes 1 or 3"),
        (np.zeros((4, 5), np.int64), r"image of torch\.int64: give uint8"),
        (np.zeros((4, 5), bool), r"image of torch\.bool: give uint8"),
        (np.zeros((0, 5), np.uint8), "is empty"),
        (torch.zeros(4, 5), r"tensor of shape \(4, 5\): give \(C, H, W\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(models, image, message):
    for name in ("colour", "grey"):
        with pytest.raises(ValueError, match=message) as error:
            models[name](image)
        assert "\n" not in str(error.value)


def test_a_wrong_sigma_is_refused(models):
    with pytest.raises(ValueError, match="sigma=-1 is not a strength of noise"):
        models["sigma"](np.zeros((4, 5), np.uint8), sigma=-1)


def test_build_makes_what_train_starts_from():
    torch.manual_seed(0)
    net = denoise.build(
        attention="swin", norm="dyt", channels=1, **{"attention.window_size": 4, "backbone.dim": 8}
    )
    assert net(torch.rand(1, 1, 9, 13)).shape == (1, 1, 9, 13)
    names = {type(module).__name__ for module in net.modules()}
    assert {"ShiftedWindowAttention", "DyT"} <= names
    assert {m.window_size for m in net.modules() if hasattr(m, "window_size")} == {4}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"attention": "swinn"}, "attention=swinn is unknown: choose one of .*swin"),
        ({"feedforward": "none"}, "Could not find 'feedforward/none'"),
        ({"backbone.dims": 8}, r"there is no option 'backbone\.dims'; backbone has: .*dim"),
        ({"backbone.downsample": "max"}, "downsample=max"),
        ({"channels": "three"}, "in_channels=three must be a positive number"),
    ],
    ids=["group", "other group", "option", "value", "type"],
)
def test_build_names_what_is_wrong(overrides, message):
    with pytest.raises(ValueError, match=message) as error:
        denoise.build(**overrides)
    assert "\n" not in str(error.value)


def test_options_are_the_words_of_a_group():
    assert denoise.options("attention") == group_options("attention")
    assert {"mdta", "swin"} <= set(denoise.options("attention"))
    with pytest.raises(ValueError, match=r"group=attentions is unknown: choose one of .*attention"):
        denoise.options("attentions")


def test_the_names_are_those_that_are_listed():
    assert set(denoise.__all__) <= set(dir(denoise))
    assert denoise.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="no attribute 'loads'"):
        _ = denoise.loads


def test_import_is_instant_and_works_from_any_folder(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    code = (
        "import sys; import denoise; assert 'torch' not in sys.modules, 'torch';"
        "import numpy; model = denoise.load('a.ckpt');"
        "print(model(numpy.zeros((5, 7), 'uint8')).shape, denoise.options('norm')[0]);"
        "assert 'pytorch_lightning' not in sys.modules, 'Lightning'"
    )
    run = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "(5, 7) derf\n"


def test_a_picture_of_pillow_is_told_what_to_become(models):
    with pytest.raises(ValueError, match="Image is not an image: give a NumPy array or a tensor"):
        models["colour"](Image.new("RGB", (8, 8)))
