"""The command that measures a camera, on synthetic sensors."""

import json
import re
import shlex

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import camera

from denoise.noise.profile import read_profile

SCENE = 0.9 * (gaussian_filter(camera()[:256, :320] / 255.0, 1) ** 2.2)
BLACK, WHITE = 512, 16383


def save(path, shot, read, seed, scene=SCENE):
    rng = np.random.default_rng(seed)
    values = rng.poisson(scene / shot) * shot + np.sqrt(read) * rng.standard_normal(scene.shape)
    stored = np.clip(np.round(BLACK + values * (WHITE - BLACK)), 0, WHITE).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, stored)


@pytest.mark.parametrize("mosaic", [None, "RGGB"])
def test_folders_of_frames_by_iso(command, tmp_path, mosaic, capfd):
    sensors = {100: (2.5e-4, 2e-6), 1600: (4e-3, 8e-5)}
    for iso, (shot, read) in sensors.items():
        for seed in range(3):
            save(tmp_path / f"frames/ISO{iso}/{seed}.tif", shot, read, seed)
            save(tmp_path / f"frames/ISO{iso}/dark/{seed}.tif", shot, read, seed + 9, 0 * SCENE)
    words = [f"white={WHITE}"] + ([] if mosaic is None else [f"mosaic={mosaic}"])
    command("calibrate_noise", "frames=frames", "output=mine.json", "camera='Mine & yours'", *words)
    levels = read_profile(tmp_path / "mine.json")
    assert [level.iso for level in levels] == [100, 1600]
    for level in levels:
        shot, read = sensors[level.iso]
        assert level.shot == pytest.approx(shot, rel=0.02)
        assert level.read == pytest.approx(read, rel=0.05)
    output = capfd.readouterr().out
    assert float(re.search(r"black is (\S+), of", output)[1]) == pytest.approx(512, abs=0.2)
    assert "denoise train noise=camera noise.profile=mine.json" in output
    assert "not white" not in output
    page = (tmp_path / "mine.html").read_text()
    assert "Mine &amp; yours" in page
    assert page.count("<svg") == 2 * 3
    with pytest.raises(SystemExit, match=r"mine\.json exists: set overwrite=true"):
        command("calibrate_noise", "frames=frames", "output=mine.json")


def test_one_picture_is_approximate_and_a_developed_one_told(command, tmp_path, capfd):
    save(tmp_path / "one.tif", 4e-3, 5e-5, 0)
    command(
        "calibrate_noise", "frames=one.tif", "output=one.json", f"black={BLACK}", f"white={WHITE}"
    )
    assert "approximate" in capfd.readouterr().out
    assert json.loads((tmp_path / "one.json").read_text())["levels"][0]["approximate"]
    (tmp_path / "jpeg").mkdir()
    for seed in range(2):
        noise = np.random.default_rng(seed).normal(0, 1, SCENE.shape) * np.sqrt(SCENE + 0.02)
        values = SCENE * 255 + 8 * gaussian_filter(noise, 0.7)
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(
            tmp_path / f"jpeg/{seed}.jpg", quality=95
        )
    command("calibrate_noise", "frames=jpeg", "output=jpeg.json")
    output = capfd.readouterr().out
    assert "the noise is not white" in output
    assert "JPEG is not linear" in output


def test_what_is_no_sensor_has_a_page_and_no_profile(command, tmp_path, capfd):
    """As of developed pictures, whose noise is least in the brightest parts."""
    noise = np.random.default_rng(0).normal(0, 1, SCENE.shape)
    noisy = SCENE * 255 + 12 * gaussian_filter(noise, 0.7) * (1.1 - SCENE)
    for folder, values in (("noisy", noisy), ("clean", SCENE * 255)):
        (tmp_path / folder).mkdir()
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(
            tmp_path / folder / "iso200.jpg", quality=98
        )
    with pytest.raises(SystemExit, match=r"no\.html shows it, there is no profile"):
        command("calibrate_noise", "frames=noisy", "reference=clean", "output=no.json")
    output = capfd.readouterr().out
    assert "ISO 200: the variance does not grow with the signal" in output
    assert "the noise is not white" in output
    assert (tmp_path / "no.html").is_file()
    assert not (tmp_path / "no.json").exists()


def test_pictures_with_a_reference(command, tmp_path, capfd):
    for seed in range(3):
        save(tmp_path / f"noisy/{seed}.tif", 1e-3, 1e-5, seed)
        save(tmp_path / f"clean/{seed}.tif", 1e-9, 0, seed)
    levels = [f"black={BLACK}", f"white={WHITE}"]
    words = ["frames=noisy", "reference=clean", "output=my, camera.json", "dng=[2e-3,1e-5]"]
    command("calibrate_noise", *words, *levels)
    (level,) = read_profile(tmp_path / "my, camera.json")
    assert level.shot == pytest.approx(1e-3, rel=0.02)
    assert level.read == pytest.approx(1e-5, rel=0.05)
    output = capfd.readouterr().out
    assert "against the NoiseProfile: shot 0.50" in output
    assert "are black= and white= right" in output
    line = output.strip().splitlines()[-1]
    assert shlex.split(line)[-1] == "noise.profile=my, camera.json"


def test_motion_is_told(command, tmp_path, capfd):
    moved = SCENE.copy()
    moved[:, :100] = np.roll(SCENE, 25, 0)[:, :100]
    for seed, scene in enumerate((SCENE, moved)):
        save(tmp_path / f"frames/{seed}.tif", 1e-3, 1e-5, seed, scene)
    command("calibrate_noise", "frames=frames", f"black={BLACK}", f"white={WHITE}")
    assert "do not lie on the line and are left out: something moved" in capfd.readouterr().out


@pytest.mark.parametrize("balance", [1, 2])
def test_white_balance_is_told(command, tmp_path, capfd, balance):
    rng = np.random.default_rng(0)
    for count in range(2):
        photons = rng.poisson(np.repeat(SCENE[..., None], 3, 2) * 1000) / 1000
        stored = photons * [balance, 1, 1] * 0.4 * WHITE
        (tmp_path / "frames").mkdir(exist_ok=True)
        pixels = np.clip(np.round(stored), 0, WHITE).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"frames/{count}.tif", pixels, photometric="rgb")
    command("calibrate_noise", "frames=frames", f"white={WHITE}")
    assert ("shot noise differs by plane" in capfd.readouterr().out) is (balance == 2)


def test_what_cannot_be_measured_is_one_line(command, tmp_path):
    save(tmp_path / "a/0.tif", 1e-3, 1e-5, 0)
    save(tmp_path / "b/0.tif", 1e-3, 1e-5, 0)
    for words, message in (
        (["frames=none"], "frames=none does not exist"),
        (["frames=."], "holds one frame, 0.tif: two or more of each"),
        (["frames=a/0.tif", "black=20", "white=10"], "black lies below white"),
        (["frames=a/0.tif", "mosaic=RGBW"], "mosaic=RGBW is unknown: choose one of RGGB"),
    ):
        with pytest.raises(SystemExit, match=message):
            command("calibrate_noise", *words)
    save(tmp_path / "iso100.tif", 1e-3, 1e-5, 0)
    for words, message in (
        (["frames=a/0.tif", "dng=[1e-3]"], r"dng=\[0.001\]: it is \[S, O\] of one ISO"),
        (["frames=a", "reference=c"], "reference=c has no 0.tif"),
    ):
        with pytest.raises(SystemExit, match=message):
            command("calibrate_noise", *words)
    (tmp_path / "raw").mkdir()
    for name in ("0.dng", "1.dng"):
        (tmp_path / "raw" / name).write_bytes(b"no raw")
    with pytest.raises(SystemExit, match=r"0\.dng (is a raw file: pip install|cannot be read)"):
        command("calibrate_noise", "frames=raw")
