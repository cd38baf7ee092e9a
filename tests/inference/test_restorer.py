"""Restoring pixels: the same whatever the tiles, in every depth, within a given memory."""

import numpy as np
import pytest
import torch
from runs import plain, save
from skimage.data import chelsea

from denoise.inference.memory import fit_peak_memory
from denoise.inference.restorer import RSS_FACTOR, Report, Restorer, format_report

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")


@pytest.fixture
def build(tmp_path):
    def run(*words):
        return save(tmp_path / "a.ckpt", plain(*TINY, *words)).eval()

    return run


def memory_for(net, pixels, side):
    """Return the memory that tiles of a side take."""
    line = fit_peak_memory(net, 3, 10**7, size_multiple=net.size_multiple)
    return int(RSS_FACTOR * line(side, side)) + 2 * pixels.nbytes + 2


@pytest.mark.parametrize(
    ("word", "ensemble"),
    [("attention=swin", False), ("attention=neighborhood", True)]
    + [pytest.param(f"attention={name}", ensemble, marks=pytest.mark.slow)
       for name, ensemble in (("swin", True), ("neighborhood", False))],
)  # fmt: skip
def test_tiles_give_what_the_whole_gives(build, word, ensemble):
    size, shape, side = {
        "attention=swin": ("attention.window_size=4", (190, 141, 3), 112),
        "attention=neighborhood": ("attention.kernel_size=3", (110, 81, 3), 72),
    }[word]
    net = build(word, size, "attention.qkv_bias=false", "backbone.sigma_map=true")
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    whole, one = Restorer(net, 3, memory=2**33, ensemble=ensemble)(pixels, 25.0)
    memory = memory_for(net, pixels, side)
    tiled, many = Restorer(net, 3, memory=memory, ensemble=ensemble, tiles="exact")(pixels, 25.0)
    assert one.method == "whole"
    assert many.method == "exact tiles"
    assert many.tiles > 1
    assert np.abs(whole - tiled).max() < 1e-5


def test_global_attention_is_blended_or_refused(build):
    net = build("attention=mdta")
    pixels = np.asarray(chelsea())[:200, :160]
    memory = memory_for(net, pixels, 96)
    out, report = Restorer(net, 3, memory=memory)(pixels, None)
    assert report.method == "blended tiles"
    assert "MDTA" in report.warnings[0]
    assert report.overlap
    assert out.shape == pixels.shape
    with pytest.raises(ValueError, match=r"MDTA"):
        Restorer(net, 3, memory=memory, tiles="exact")(pixels, None)


def test_what_exact_tiles_would_take_is_reported(build):
    net = build("attention=swin")
    pixels = np.asarray(chelsea())[:200, :160]
    memory = memory_for(net, pixels, 48)
    report = Restorer(net, 3, memory=memory)(pixels, None)[1]
    assert report.method == "blended tiles"
    assert report.warnings[0].startswith("not exact: tiles of ")
    more = int(report.warnings[1].split(" MiB more would make it exact")[0]) + 1
    report = Restorer(net, 3, memory=memory + more * 2**20)(pixels, None)[1]
    assert report.method in ("exact tiles", "whole")


def test_too_little_memory_for_the_pixels():
    pixels = np.zeros((100, 100, 3), np.float32)
    with pytest.raises(ValueError, match="the pixels alone take 0: give more"):
        Restorer(torch.nn.Identity(), 3, memory=1000)(pixels, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_net_that_does_nothing_changes_nothing(dtype, channels):
    net = torch.nn.Identity()
    net.forward = lambda noisy, sigma: noisy
    pixels = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    pixels = pixels if dtype is np.float32 else (pixels * np.iinfo(dtype).max).astype(dtype)
    out, report = Restorer(net, channels, memory=2**31)(pixels, None)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, pixels, rtol=1e-6)
    assert report.method == "whole"


@pytest.mark.parametrize("options", [{"tiles": "small"}, {"strength": 2}])
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Restorer(torch.nn.Identity(), 3, memory=2**31, **options)


def test_a_report_is_one_line():
    report = Report("whole", 2_000_000, 1, 2000, 0, 0.0, 1.0, 3.21, [])
    assert format_report(report) == "2.00 Mpx in 3.2 s, whole"
    report = Report("blended tiles", 2_000_000, 6, 900, 32, 0.084, 1.01, 3.2, ["a"])
    assert format_report(report) == (
        "2.00 Mpx in 3.2 s, blended tiles: 6 of 900 px, seam 1.010 (1 is none), "
        "overlap 32 px, they differ by 0.08 grey levels"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_level_that_depends_on_the_signal_is_the_same_in_tiles(build, channels):
    """Each pixel has its own; a grey net takes the colours one by one."""
    words = (f"channels={channels}", "attention=none", "backbone.sigma_map=signal")
    net = build(*words)
    pixels = np.random.default_rng(0).random((101, 90, 3)).astype(np.float32)
    line = torch.tensor([[0.01, 1e-4]])
    whole, _ = Restorer(net, channels, memory=2**33)(pixels, line)
    restorer = Restorer(net, channels, memory=2**22, tiles="exact")
    tiled, report = restorer(pixels, line)
    assert report.tiles > 1
    assert np.abs(whole - tiled).max() < 1e-5
    noisy = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    images = noisy if channels == 3 else noisy.transpose(0, 1)
    with torch.inference_mode():
        expected = net(images, line.expand(len(images), 2)).reshape(noisy.shape)
    assert np.abs(whole - expected[0].permute(1, 2, 0).numpy()).max() < 1e-5
