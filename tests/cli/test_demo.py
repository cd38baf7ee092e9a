"""The page: what it is made of, and a visit with a browser."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from harness import ROOT, options
from runs import plain, save
from skimage.data import chelsea

from denoise.cli.demo import add_noise, find_models, photographs
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


@pytest.mark.parametrize("word", options("noise"))
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
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=5)
                break
            except OSError:
                assert server.poll() is None
                time.sleep(1)
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
