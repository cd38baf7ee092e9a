"""The page: what it is made of, and a visit with a browser."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from harness import ROOT
from runs import plain, save
from skimage.data import chelsea

from denoise.cli.compose import compose_config
from denoise.cli.demo import (
    NOISES,
    NONE,
    Model,
    add_noise,
    find_models,
    photographs,
    remove_old,
    restore_page,
)
from denoise.image_io.photo import Photo
from denoise.image_io.read import read_photo
from denoise.weights.released import released_models

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_models_of_a_folder_newest_first(tmp_path):
    for age, name in enumerate(["new", "old"]):
        save(tmp_path / name / "best.ckpt", plain())
        os.utime(tmp_path / name / "best.ckpt", (time.time() - age * 60,) * 2)
    assert list(find_models(tmp_path)) == ["new/best.ckpt", "old/best.ckpt"]
    assert list(find_models(tmp_path / "old/best.ckpt")) == ["best.ckpt"]
    with pytest.raises(ValueError, match=r"holds no \.ckpt"):
        find_models(ROOT / "docs")


def test_without_a_checkpoint_the_released_models_are_chosen_from():
    assert list(find_models(None)) == released_models()
    assert list(find_models("color")) == ["color"]


@pytest.mark.parametrize("word", NOISES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_noise_keeps_the_depth(word, dtype):
    pixels = chelsea()[:64, :64].astype(dtype)
    if dtype != np.uint8:
        pixels = pixels * dtype(257) if dtype == np.uint16 else pixels / dtype(255)
    noisy = add_noise(pixels, word, 25.0)
    assert noisy.dtype == pixels.dtype
    assert noisy.shape == pixels.shape
    assert not np.array_equal(noisy, pixels)


def test_photographs_are_those_of_the_test_split(tmp_path):
    paths = photographs(tmp_path)
    assert paths == [str(tmp_path / name) for name in ("chelsea.png", "coffee.png")]
    assert np.array_equal(read_photo(paths[0]).pages[0], chelsea())


def test_a_missing_model_is_told_in_a_line(command):
    with pytest.raises(SystemExit, match=r"error: nothing\.ckpt"):
        command("demo", "checkpoint=nothing.ckpt")


def page_config(*words):
    return compose_config(*words, name="demo")


def photo_of(pixels, pages=1):
    return Photo([pixels] * pages, [None] * pages)


def test_a_picture_is_restored_and_scored():
    model = Model(find_models("color")["color"], page_config())
    clean = chelsea()[:96, :96]
    noisy, restored, lines = restore_page(photo_of(clean, 3), model, "gaussian", 25.0, 60)
    assert lines[0] == "page 1 of 3"
    values = [float(line.split()[1]) for line in lines if " dB, SSIM " in line]
    assert values[1] > values[0] + 5
    assert noisy.shape == restored.shape == clean.shape
    same, _, lines = restore_page(photo_of(clean), model, NONE, 25.0, 60)
    assert np.array_equal(same, clean)
    assert not any("dB" in line for line in lines)


def test_a_picture_smaller_than_the_window_of_ssim():
    model = Model(find_models("grey")["grey"], page_config())
    clean = chelsea()[:8, :9]
    _, _, lines = restore_page(photo_of(clean), model, "gaussian", 25.0, 60)
    assert sum("too small for SSIM, which needs 11 pixels" in line for line in lines) == 2


def test_a_picture_that_takes_too_long_is_refused_before_it_is_begun():
    model = Model(find_models("color")["color"], page_config())
    pixels = np.broadcast_to(np.uint8(0), (4000, 6000, 3))
    with pytest.raises(ValueError, match=r"24\.0 Mpx take about \d+ s here, and 1 s are allowed"):
        restore_page(photo_of(pixels), model, NONE, 25.0, 1)


def test_memory_is_that_of_the_process():
    with pytest.raises(ValueError, match="but the program alone takes"):
        Model(find_models("color")["color"], page_config("memory=50MiB"))


def test_what_visitors_left_is_removed(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "upload.png").touch()
    (tmp_path / "chelsea.png").touch()
    for path in (tmp_path / "old", tmp_path / "chelsea.png"):
        os.utime(path, (time.time() - 700,) * 2)
    remove_old(tmp_path, 600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chelsea.png", "new"]


def test_the_button_waits_for_the_picture(tmp_path):
    pytest.importorskip("gradio")
    code = (
        "import json, pathlib; from denoise.cli.demo import build, compose_config\n"
        "page = build(compose_config(name='demo'), pathlib.Path())\n"
        "print(json.dumps([page.config['components'], page.config['dependencies']], default=str))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # gradio leaves an event loop open in the process
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    components, dependencies = json.loads(done.stdout)
    (button,) = (c for c in components if c["props"].get("value") == "Denoise")
    assert button["props"]["interactive"] is False
    changes = [one for one in dependencies if button["id"] in one["outputs"]]
    assert [target[1] for one in changes for target in one["targets"]] == ["change"]


@pytest.mark.slow
def test_sigterm_removes_uploads_and_results(tmp_path):
    pytest.importorskip("gradio")
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    port = 7961 + os.getpid() % 100
    command = [sys.executable, ROOT / "scripts/demo.py", "checkpoint=grey", f"port={port}"]
    server = subprocess.Popen(command, cwd=tmp_path, env=environment)
    wait_for(f"http://127.0.0.1:{port}", server)
    assert list(tmp_path.glob("denoise-demo-*/chelsea.png"))
    server.terminate()
    assert server.wait(60) == 143
    assert not list(tmp_path.glob("denoise-demo-*"))


def wait_for(address, server):
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=5)
            break
        except OSError:
            assert server.poll() is None
            time.sleep(1)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_visit(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    save(tmp_path / "a.ckpt", plain())
    port = 7861 + os.getpid() % 100
    script = [sys.executable, ROOT / "scripts/demo.py", "checkpoint=a.ckpt", f"port={port}"]
    server = subprocess.Popen(script, cwd=tmp_path)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server)
        with playwright.sync_playwright() as play:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(address, wait_until="domcontentloaded")
            page.get_by_role("button", name="Denoise").wait_for(timeout=60_000)
            page.locator(".gallery button, .gallery-item").first.click()
            page.locator("img.preview, [data-testid=image] img").first.wait_for(timeout=60_000)
            page.get_by_role("button", name="Denoise").click()
            page.get_by_text("Mpx in").wait_for(timeout=120_000)
            assert page.get_by_text("restored").count()
            page.wait_for_timeout(2000)
            widths = page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
            assert widths.count(451) >= 4  # chelsea: the photograph, the picture, before and after
            page.screenshot(path=os.environ.get("DENOISE_SCREENSHOT", tmp_path / "demo.png"))
            # Files outside the page's own folder are not served.
            for secret in ("/etc/passwd", str(ROOT / "pyproject.toml")):
                answer = page.request.get(f"{address}/gradio_api/file={secret}")
                assert answer.status in (403, 404)
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
