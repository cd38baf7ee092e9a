"""Camera noise: its variance in raw values, development and back, what neighbours share."""

from itertools import pairwise

import pytest
import torch
from harness import make
from skimage.data import chelsea

from denoise.noise.camera import Camera, demosaic, draw_development, mosaic


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photo(side=96):
    return (
        torch.from_numpy(chelsea()[40 : 40 + side, 60 : 60 + side].copy())
        .permute(2, 0, 1)[None]
        .double()
        / 255
    )


def flat(value, side=256, count=1):
    return torch.full((count, 3, side, side), value, dtype=torch.float64)


def test_development_leads_back_to_the_photograph():
    """Where nothing is saturated; with all colours at each pixel."""
    camera = draw_development(photo().expand(4, -1, -1, -1), generator())
    clean = photo().expand(4, -1, -1, -1) * 0.8 + 0.05
    raw = camera.unprocess(clean)
    assert 0 <= raw.min() < raw.max() < 1
    back = camera.process(raw)
    inside = (camera.gains * raw < 1).all(1, keepdim=True) & (clean.mean(1, keepdim=True) < 0.8)
    assert inside.double().mean() > 0.8
    assert ((back - clean).abs() * inside).max() < 1e-6
    white = flat(1.0, 4, 4)
    torch.testing.assert_close(camera.process(camera.unprocess(white)), white, rtol=0, atol=1e-12)
    assert not torch.equal(camera.to_camera[0], camera.to_camera[1])


@pytest.mark.parametrize("value", [0.02, 0.2, 0.7])
@pytest.mark.parametrize(("shot", "read"), [(0.01, 1e-4), (1e-3, 4e-5)])
def test_the_variance_of_raw_values_is_a_line(value, shot, read):
    raw = torch.full((1, 1, 600, 600), value, dtype=torch.float64)
    levels = (torch.full((1, 1, 1, 1), one, dtype=torch.float64) for one in (shot, read))
    noisy = Camera(bits=16)._expose(raw, *levels, torch.zeros(1), generator())
    if value == 0.7 and shot == 0.01:  # some are clipped
        assert noisy.max() == 1
    else:
        expected = shot * value + read
        cut = value < 4 * expected**0.5
        assert noisy.var().item() == pytest.approx(expected, rel=0.3 if cut else 0.02)
        assert noisy.mean().item() == pytest.approx(value, rel=0.05 if cut else 0.005)


def test_rows_share_what_row_noise_is():
    raw = torch.full((1, 1, 400, 400), 0.5, dtype=torch.float64)
    level = torch.full((1, 1, 1, 1), 1e-4, dtype=torch.float64)
    noisy = Camera(bits=16)._expose(raw, level * 1e-3, level, 2 * level.sqrt(), generator())
    rows = noisy.mean(3).var().item()
    assert rows == pytest.approx(4e-4, rel=0.2)
    assert noisy.mean(2).var().item() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (5, 7), (8, 6)])
def test_demosaicing_against_the_loop_over_pixels(size):
    H, W = size
    colours = torch.rand(2, 3, H, W, generator=generator(), dtype=torch.float64)
    raw = mosaic(colours)
    pattern = [[0, 1], [1, 2]]
    for row in range(H):
        for column in range(W):
            assert torch.equal(
                raw[:, 0, row, column], colours[:, pattern[row % 2][column % 2], row, column]
            )
    restored = demosaic(raw)
    assert restored.shape == colours.shape
    if min(H, W) < 2:
        return
    for channel in range(3):
        for row in range(H):
            for column in range(W):
                total = weight = 0.0
                for y in range(max(0, row - 1), min(H, row + 2)):
                    for x in range(max(0, column - 1), min(W, column + 2)):
                        if pattern[y % 2][x % 2] == channel:
                            near = (2 - abs(y - row)) * (2 - abs(x - column))
                            if channel == 1 and abs(y - row) + abs(x - column) == 2:
                                near = 0
                            total, weight = total + near * raw[:, 0, y, x], weight + near
                torch.testing.assert_close(restored[:, channel, row, column], total / weight)


def test_a_constant_is_demosaiced_exactly():
    assert torch.equal(demosaic(mosaic(flat(0.25, 9))), flat(0.25, 9))


def test_noise_grows_with_iso_and_is_larger_in_shadows_of_the_raw_signal():
    deviations = [
        (Camera(shot, read=0.0)(flat(0.5), generator()) - 0.5).std().item()
        for shot in (1e-5, 1e-4, 1e-3, 1e-2)
    ]
    for low, high in pairwise(deviations):
        assert high == pytest.approx(low * 10**0.5, rel=0.15)
    assert deviations[0] < 0.01


def test_neighbours_share_noise_and_colours_do():
    """White noise has neither: models for white noise fail on cameras for it."""
    noise = Camera(1e-3, read=1e-6)(flat(0.5), generator()) - 0.5
    noise = noise - noise.mean((2, 3), keepdim=True)
    variance = noise.square().mean((2, 3))
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean((2, 3)) / variance
    assert (neighbours > 0.2).all()
    far = (noise[..., 8:] * noise[..., :-8]).mean((2, 3)) / variance
    assert (far.abs() < 0.03).all()


def test_without_noise_the_photograph_stays():
    """In full precision: what demosaicing loses is in both developed images alike."""
    clean = photo()
    noisy = Camera(1e-7, read=0.0, bits=16)(clean, generator())
    assert (noisy - clean).abs().max() < 0.03
    assert (noisy - clean).abs().mean() < 1e-3


def test_the_generator_decides_alone_and_images_have_cameras_of_their_own():
    clean = photo().float().expand(2, -1, -1, -1)
    noise = make("noise", "noise=camera")
    assert torch.equal(noise(clean, generator(3)), noise(clean, generator(3)))
    assert not torch.equal(noise(clean, generator(3)), noise(clean, generator(4)))
    one, other = noise(clean, generator(3)) - clean
    assert one.std() / other.std() != pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_precision_stays_within_the_range(dtype):
    noisy = Camera()(photo(33).to(dtype), generator())
    assert noisy.dtype == dtype
    assert 0 <= noisy.min() <= noisy.max() <= 1


@pytest.mark.parametrize(
    ("options", "answer"),
    [({"shot": 0}, "shot=0"), ({"shot": [0.01, 0.001]}, r"shot=\[0.01, 0.001\]"),
     ({"read": -1}, "read=-1"), ({"bits": 4}, "bits=4"), ({"row": -1}, "row=-1")],
)  # fmt: skip
def test_options_outside_their_limits(options, answer):
    with pytest.raises(ValueError, match=answer):
        Camera(**options)
    with pytest.raises(ValueError, match="domain=srgb takes images of 3 channels, got 1"):
        Camera()(torch.rand(1, 1, 8, 8))


def test_the_config_has_the_defaults_of_the_class():
    noise = make("noise", "noise=camera")
    assert vars(noise) == vars(Camera())


def test_packed_raw_values_get_the_noise_of_the_sensor_alone():
    clean = torch.full((2, 4, 200, 200), 0.3, dtype=torch.float64)
    noisy = Camera(0.01, read=1e-4, bits=16, domain="bayer")(clean, generator())
    assert noisy.shape == clean.shape
    noise = noisy - clean
    assert noise.mean().item() == pytest.approx(0, abs=5e-4)
    assert noise.var().item() == pytest.approx(0.01 * 0.3 + 1e-4, rel=0.02)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert abs(neighbours.item()) < 0.01
    assert abs(torch.corrcoef(noise.transpose(0, 1).flatten(1))[0, 1].item()) < 0.01


@pytest.mark.parametrize(("domain", "channels"), [("srgb", 4), ("bayer", 3)])
def test_each_domain_has_its_channels(domain, channels):
    with pytest.raises(ValueError, match=f"domain={domain} takes images of"):
        Camera(domain=domain)(torch.zeros(1, channels, 8, 8))


def test_rows_of_the_sensor_are_those_of_the_mosaic():
    """A row of packed values holds two rows of the sensor."""
    clean = torch.full((1, 4, 300, 300), 0.5, dtype=torch.float64)
    noise = Camera(1e-6, read=1e-4, row=2.0, bits=16, domain="bayer")(clean, generator()) - clean
    red, green, other_green, blue = noise[0].mean(2)
    assert torch.corrcoef(torch.stack([red, green]))[0, 1] > 0.9
    assert torch.corrcoef(torch.stack([other_green, blue]))[0, 1] > 0.9
    assert torch.corrcoef(torch.stack([red, blue]))[0, 1].abs() < 0.2
