"""The report: everything measured is in it, and it needs nothing but its folder."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import camera, chelsea

from denoise.data.sets import ImageSet
from denoise.evaluation.evaluate import averages, evaluate
from denoise.evaluation.protocols import Kair, Real
from denoise.results.figures import BestAndWorst
from denoise.results.record import environment
from denoise.results.report import write_report

EVIL = "<img src=x onerror=alert(1)>&\"'#?%20.png"


def images(channels, names, side=90, noisy=False):
    """Windows of a photograph, the later the further down."""
    photo = camera()[..., None] if channels == 1 else chelsea()
    clean = [photo[10 * i : 10 * i + side, 40 : 45 + side] for i in range(len(names))]
    files = [Path(name) for name in names]
    partner = [image // 2 + 40 for image in clean] if noisy else None
    return ImageSet(names, files, clean, channels, partner)


def model(noisy, sigma):
    return torch.nn.functional.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)


class Page(HTMLParser):
    """What a browser would see: images, text, tables as lists of rows of cells."""

    def __init__(self, path):
        super().__init__()
        self.images, self.text, self.tables, self.tags, self.within = [], "", [], [], None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.within = tag if tag in ("td", "th", "script", "style") else self.within
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "small":
            self.tables[-1][-1][-1] += " "

    def handle_endtag(self, tag):
        self.within = None if tag == self.within else self.within

    def handle_data(self, data):
        if self.within in ("td", "th"):
            self.tables[-1][-1][-1] += data
        if self.within not in ("script", "style"):
            self.text += data


def report(folder, sets, sigmas=(25,), protocol=None, baselines=None, net=model, count=2):
    protocol, best_and_worst = protocol or Kair(), BestAndWorst(count)
    rows = evaluate(net, sets, protocol, sigmas, baselines or {}, "cpu", [best_and_worst])
    record = {
        "checkpoint": "runs/<b>best</b>.ckpt",
        "protocol": protocol.name,
        "model": {"parameters": 1234567, "macs": 4_440_000_000, "macs_size": 256},
        "average": averages(rows),
        "images": rows,
        "environment": environment() | {"command": "evaluate.py data=<i>"},
    }
    record = json.loads(json.dumps(record))
    path = write_report(folder / "report", record, best_and_worst)
    return SimpleNamespace(path=path, page=Page(path), rows=rows, best_and_worst=best_and_worst)


def fade(noisy, sigma):
    return noisy * 0.5 + 0.25


def test_every_row_is_there(tmp_path):
    sets = {"cats": images(3, ["a", "b"]), "more": images(3, ["c"])}
    made = report(tmp_path, sets, (15, 50), baselines={"fade & co": fade})
    averaged, every = made.page.tables
    methods = ["noisy", "fade & co", "restored"]
    assert averaged[0] == ["set", "sigma", "images", *methods]
    assert every[0] == ["image", "set", "sigma", *methods]
    for mean in averages(made.rows):
        row = next(r for r in averaged if r[:2] == [mean["set"], str(mean["sigma"])])
        assert row[2] == str(mean["images"])
        cell = f"{mean['psnr']:.2f} {mean['ssim']:.4f}"
        assert row[3 + methods.index(mean["method"])] == cell
    for one in made.rows:
        row = next(r for r in every if r[:3] == [one["image"], one["set"], str(one["sigma"])])
        assert row[3 + methods.index(one["method"])] == f"{one['psnr']:.2f}"
    assert (len(averaged), len(every)) == (1 + 4, 1 + 6)
    for word in ("1,234,567", "4.44 G", "kair", "cats (2 images)", "more (1 image)", "torch",
                 "evaluate.py data=<i>", "runs/<b>best</b>.ckpt", "32 grey levels"):  # fmt: skip
        assert word in made.page.text
    assert re.search(r"restored, an image\d+\.\d\d s", made.page.text)
    assert re.search(r"written\d{4}-\d\d-\d\d \d\d:\d\d", made.page.text)


def test_a_curve_for_every_set_where_there_are_several_levels(tmp_path):
    sets = {"cats": images(3, ["a"]), "more": images(3, ["c"])}
    made = report(tmp_path, sets, (15, 25, 50), baselines={"fade": fade})
    tags = [(tag, attrs.get("class", "")) for tag, attrs in made.page.tags]
    assert sum(tag == "svg" for tag, _ in tags) == 2
    assert sum(kind.startswith("line ") for _, kind in tags) == 2 * 2
    assert sum(tag == "circle" for tag, _ in tags) == 2 * 2 * 3
    assert "sigma in grey levels" in made.page.text
    assert "PSNR in dB" in made.page.text
    assert "<svg" not in report(tmp_path, sets).path.read_text()


@pytest.mark.parametrize("channels", [1, 3])
def test_names_are_text_and_pictures_are_local_files(tmp_path, channels):
    made = report(tmp_path, {"<u>": images(channels, [EVIL, "b/c", "d"])}, (15, 25))
    html = made.path.read_text()
    assert "//" not in html
    assert not re.search(r"url\(|@import|<link|<iframe|<u>|<b>best|<script src", html)
    assert EVIL in {row[0] for row in made.page.tables[1]}
    assert any(EVIL in image["alt"] for image in made.page.images)
    assert len(made.page.images) == 2 * 3 * 9
    files = {file.name for file in made.path.parent.glob("*.png")}
    assert {unquote(image["src"]) for image in made.page.images} == files
    for image in made.page.images:
        assert image["alt"]
        with Image.open(made.path.parent / image["src"]) as picture:
            assert picture.size == (int(image["width"]), int(image["height"]))


def test_a_protocol_without_sigma_has_no_such_column(tmp_path):
    made = report(tmp_path, {"real": images(3, ["a"], noisy=True)}, protocol=Real())
    assert made.page.tables[0][0] == ["set", "images", "noisy", "restored"]
    assert made.page.tables[1][0] == ["image", "set", "noisy", "restored"]
    assert "sigma" not in made.page.text
    assert "<svg" not in made.path.read_text()
    assert "worst 1" not in made.page.text  # the only image is neither


def test_only_the_best_and_worst_are_kept(tmp_path):
    names = [f"n{i}" for i in range(9)]
    made = report(tmp_path, {"cats": images(3, names)}, (15, 25), count=2)
    for sigma in (15, 25):
        psnrs = {row["image"]: row["psnr"] for row in made.rows
                 if row["method"] == "restored" and row["sigma"] == sigma}  # fmt: skip
        order = sorted(psnrs, key=psnrs.get)
        kept = [one.key["image"] for one in made.best_and_worst.examples["cats", sigma]]
        assert kept == order[:2] + order[-2:]
    shown = re.findall(r"(worst|best) (\d)</span>(n\d)", made.path.read_text())
    assert [(kind, number) for kind, number, _ in shown[:4]] == [
        ("worst", "1"), ("worst", "2"), ("best", "1"), ("best", "2")]  # fmt: skip


def test_crops_show_pixels_as_squares(tmp_path):
    made = report(tmp_path, {"cats": images(3, ["a"])})
    large = np.asarray(Image.open(made.path.parent / "1-worst-1-largest-noisy.png"))
    assert (large == large[::4, ::4].repeat(4, 0).repeat(4, 1)).all()


def test_a_model_without_numbers_is_shown_as_such(tmp_path):
    sets = {"cats": images(3, ["a", "b"], side=20)}
    made = report(tmp_path, sets, (15, 25), net=lambda noisy, sigma: noisy * float("nan"))
    assert {row[-1] for row in made.page.tables[1][1:]} == {"nan"}
    assert len(made.page.images) == 2 * 2 * 9


def test_names_that_are_not_unicode_are_replaced(tmp_path):
    made = report(tmp_path, {"cats": images(3, ["caf\udce9"])})
    assert made.page.tables[1][1][0] == "caf?"


PROBE = """<script>
const errors = [];
addEventListener("error", event => errors.push(event.message || event.target.src), true);
addEventListener("load", () => {
  const images = [...document.images];
  const table = document.querySelector("table.sortable");
  const column = () => [...table.tBodies[0].rows].map(row => row.lastChild.textContent);
  const click = () => table.querySelector("thead th:last-child button").click();
  click(); const up = column(); click(); const down = column();
  document.body.dataset.seen = JSON.stringify({ errors, up, down, images: images.length,
    loaded: images.filter(image => image.naturalWidth > 0).length,
    wide: document.documentElement.scrollWidth > innerWidth });
});
</script>"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 500])
def test_a_browser_shows_it(tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on the path")
    sets = {"cats": images(3, ["a", "b", EVIL, "a rather long name of an image " * 4])}
    made = report(tmp_path, sets, (15, 25, 50), baselines={f"fade {i}": fade for i in range(5)})
    probe = made.path.with_name("probe.html")
    probe.write_text(made.path.read_text().replace("<head>", "<head>" + PROBE))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--window-size={width},2000", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    (tmp_path / "seen.html").write_text(done.stdout)
    body = next(attrs for tag, attrs in Page(tmp_path / "seen.html").tags if tag == "body")
    seen = json.loads(body["data-seen"])
    assert seen["errors"] == []
    assert seen["loaded"] == seen["images"] == 3 * 4 * 9
    assert not seen["wide"]
    restored = sorted(row["psnr"] for row in made.rows if row["method"] == "restored")
    assert seen["up"] == [f"{psnr:.2f}" for psnr in restored]
    assert seen["down"] == seen["up"][::-1]
