"""The evaluate command: checkpoints of this project, third-party weights, a published score."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from runs import plain, save
from skimage.data import camera

from denoise.cli import evaluate
from denoise.evaluation.protocols import Kair
from denoise.image_io.read import read_image
from denoise.inference.restorer import Restorer


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for name, top in (("a", 100), ("b", 200)):
        Image.fromarray(camera()[top : top + 40, 100:150]).save(tmp_path / "images" / f"{name}.png")
    return ("data=folder", "data.folder.path=images", "hydra.run.dir=run")


def record(tmp_path):
    return json.loads((tmp_path / "run" / "results.json").read_text())


def test_checkpoint_on_sets_and_levels(command, images, tmp_path, capfd):
    save(tmp_path / "a.ckpt", plain("channels=1"))
    words = ("checkpoint=a.ckpt", "sigma=[15,25,50]", "baseline=[nlm,tv]")
    command("evaluate", *words, *images, "pictures=true", "report=true")
    found = record(tmp_path)
    assert [(m["sigma"], m["method"]) for m in found["average"]] == [
        (sigma, method)
        for sigma in (15, 25, 50)
        for method in ("noisy", "non-local means", "restored", "total variation")
    ]
    assert len(found["images"]) == 3 * 2 * 4
    assert all(row["seconds"] > 0 for row in found["images"] if row["method"] != "noisy")
    noisy = {row["sigma"]: row["psnr"] for row in found["average"] if row["method"] == "noisy"}
    clean = [read_image(tmp_path / "images" / f"{n}.png", 1).transpose(2, 0, 1) for n in "ab"]
    clean = [torch.from_numpy(image.copy())[None] / 255 for image in clean]
    for sigma, value in noisy.items():
        psnrs = [Kair().score(Kair().add_noise(image, sigma), image)["psnr"] for image in clean]
        assert value == pytest.approx(torch.cat(psnrs).mean().item())
    pictures = {str(p.relative_to(tmp_path / "run")) for p in tmp_path.rglob("*.png")
                if "pictures" in str(p)}  # fmt: skip
    assert pictures == {f"pictures/folder/sigma{s}/{n}.png" for s in (15, 25, 50) for n in "ab"}
    html = (tmp_path / "run" / "report" / "index.html").read_text()
    for method in ("noisy", "non-local means", "total variation", "restored"):
        assert html.count(f'<th scope="col" class="n">{method}</th>') == 2
    assert "report=true</code>" in html
    assert found["environment"]["command"].endswith("report=true")
    assert found["model"]["macs_size"] == 256
    shown = capfd.readouterr().out
    for text in ("average of 2", "run/results.json", "run/pictures", "run/report"):
        assert text in shown


def test_seeded_protocol_needs_no_sigma(command, images, tmp_path):
    save(tmp_path / "a.ckpt", plain("channels=1", "backbone.sigma_map=true"))
    command("evaluate", "checkpoint=a.ckpt", "noise=poisson", *images)
    found = record(tmp_path)
    assert found["protocol"] == "seeded"
    assert {row["sigma"] for row in found["images"]} == {None}
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"results.json", "results.csv"}
    assert not (tmp_path / "run" / "report").exists()
    assert not (tmp_path / "run" / "pictures").exists()


def test_names_and_scores_of_any_kind_reach_the_files(command, images, tmp_path, capfd):
    save(tmp_path / "a.ckpt", plain("channels=1"))
    for name in (b"caf\xe9.png", b"=1+1.png"):
        os.rename(tmp_path / "images/a.png", os.fsencode(tmp_path / "images") + b"/" + name)
        words = ("checkpoint=a.ckpt", "sigma=0", "pictures=true", "report=true")
        command("evaluate", *words, *images)
        text = (tmp_path / "run/results.json").read_text()
        found = json.loads(text, parse_constant=pytest.fail)
        noisy = [row["psnr"] for row in found["images"] if row["method"] == "noisy"]
        assert noisy == [None, None]  # infinite
        os.rename(os.fsencode(tmp_path / "images") + b"/" + name, tmp_path / "images/a.png")
    assert "'=1+1" in (tmp_path / "run/results.csv").read_text()
    assert "caf\\xe9" in capfd.readouterr().out


def test_run_dir_is_made(command, images, tmp_path):
    save(tmp_path / "a.ckpt", plain("channels=1"))
    command("evaluate", "checkpoint=a.ckpt", *images, "run_dir=scores/new folder")
    assert (tmp_path / "scores/new folder/results.json").is_file()


def test_channels_that_do_not_fit_are_refused(command, images, tmp_path):
    save(tmp_path / "a.ckpt", plain())
    command("evaluate", "checkpoint=a.ckpt", *images)  # grey, repeated
    save(tmp_path / "b.ckpt", plain("channels=5"))
    with pytest.raises(SystemExit, match=r"images/a\.png is grey, but channels=5"):
        command("evaluate", "checkpoint=b.ckpt", *images)
    with pytest.raises(SystemExit, match=r"channels=1, but a\.ckpt takes 3"):
        command("evaluate", "checkpoint=a.ckpt", "channels=1", *images)


def test_what_nobody_knows_is_refused(command, images, tmp_path):
    with pytest.raises(SystemExit, match="checkpoint"):
        command("evaluate", *images)
    with pytest.raises(SystemExit, match=r"none\.pth: no such checkpoint"):
        command("evaluate", "checkpoint=none.pth", *images)
    torch.save({"weights": torch.zeros(1)}, tmp_path / "odd.pth")
    with pytest.raises(SystemExit, match=r"odd\.pth: not recognised by spandrel"):
        command("evaluate", "checkpoint=odd.pth", *images)


@pytest.mark.slow
def test_published_dncnn_gives_the_published_number(command, data_dir, tmp_path):
    command("evaluate", f"checkpoint={data_dir}/weights/dncnn_25.pth", "data=set12",
            f"data_dir={data_dir}/datasets", "hydra.run.dir=run")  # fmt: skip
    mean = next(m for m in record(tmp_path)["average"] if m["method"] == "restored")
    assert mean["psnr"] == pytest.approx(30.43, abs=0.01)
    assert record(tmp_path)["model"]["parameters"] > 500_000


def test_memory_decides_on_tiles_and_changes_no_score(command, images, tmp_path, monkeypatch):
    save(tmp_path / "a.ckpt", plain("channels=1", "attention=none", "feedforward=mlp"))
    Image.fromarray(np.tile(camera()[100:140, :512], (1, 2))).save(tmp_path / "images/a.png")
    (tmp_path / "images/b.png").unlink()
    command("evaluate", "checkpoint=a.ckpt", *images)
    whole = record(tmp_path)["images"]
    tiles = []
    restore = Restorer.__call__

    def counted(self, *args):
        restored, report = restore(self, *args)
        tiles.append((report.method, report.tiles))
        return restored, report

    monkeypatch.setattr(Restorer, "__call__", counted)
    monkeypatch.setattr(
        evaluate, "memory_budget", lambda *_: evaluate.SAMPLE_BYTES * 40960 + 9_000_000
    )
    command("evaluate", "checkpoint=a.ckpt", *images, "memory=4GiB")
    assert tiles == [("exact tiles", n) for _, n in tiles]
    assert min(n for _, n in tiles) > 1
    for one, other in zip(whole, record(tmp_path)["images"], strict=True):
        assert one["psnr"] == pytest.approx(other["psnr"], abs=1e-3)
    monkeypatch.setattr(evaluate, "memory_budget", lambda *_: 1000)
    with pytest.raises(SystemExit, match="the largest image, its noise and scores take"):
        command("evaluate", "checkpoint=a.ckpt", *images, "memory=4GiB")
