"""A matrix of models and noises, from the command line."""

import csv
import json
import sys

import pytest
from PIL import Image
from runs import plain, save

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")
WORDS = ("data=folder", "data.folder.path=photos", "crop=32", "device=cpu", "hydra.run.dir=run")


def test_table_picture_and_scores(command, photos, tmp_path):
    for name, mapped in (("a", "true"), ("b", "signal")):
        save(
            tmp_path / f"{name}.ckpt",
            plain("attention=none", f"backbone.sigma_map={mapped}", *TINY),
        )
    command("generalise", "checkpoints=[a.ckpt,b.ckpt]", *WORDS)
    record = json.loads((tmp_path / "run/generalisation.json").read_text())
    noises = ["sigma25", "sigma12_5", "sigma37_5", "correlated", "poisson", "jpeg", "camera"]
    assert [(c["model"], c["noise"]) for c in record["cells"]] == [
        (f"{name}.ckpt", noise) for name in "ab" for noise in noises
    ]
    with (tmp_path / "run/generalisation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(noises) * 2 * 2  # models, noises, images, methods
    images = [r for r in rows if r["method"] == "noisy" and r["model"] == "a.ckpt"]
    noisy = {noise: [float(r["psnr"]) for r in images if r["noise"] == noise] for noise in noises}
    assert sum(noisy["sigma12_5"]) / 2 == pytest.approx(26.2, abs=0.2)
    assert max(noisy["sigma37_5"]) < min(noisy["sigma25"]) < min(noisy["sigma12_5"])
    text = (tmp_path / "run/generalisation.md").read_text()
    assert "Worst case of `a.ckpt`" in text
    assert "Worst case of `b.ckpt`" in text
    assert "| a.ckpt | Gaussian (sigma=25) |" in text
    assert (tmp_path / "run/generalisation.png").stat().st_size > 5000


def test_a_noise_is_added_and_channels_must_agree(command, photos, tmp_path):
    save(tmp_path / "a.ckpt", plain("attention=none", *TINY))
    save(tmp_path / "grey.ckpt", plain("attention=none", "channels=1", *TINY))
    pepper = "+noises.pepper={_target_: denoise.noise.synthetic.SaltPepper, amount: 0.1}"
    command("generalise", "checkpoints=a.ckpt", *WORDS, pepper)
    assert "pepper" in (tmp_path / "run/generalisation.md").read_text()
    with pytest.raises(SystemExit, match=r"the models differ in channels \(3, 1\)"):
        command("generalise", "checkpoints=[a.ckpt,grey.ckpt]", *WORDS)


def test_what_draws_the_picture_is_asked_for_first(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "denoise.results.heat_map", None)
    with pytest.raises(SystemExit, match=r"pip install 'denoise\[benchmark\]'"):
        command("generalise", "checkpoints=nowhere.ckpt", *WORDS)


def test_the_range_is_that_of_the_training_and_models_of_two_are_refused(command, photos, tmp_path):
    for name, bounds in (("a", "[0,510]"), ("b", "auto")):
        save(tmp_path / f"{name}.ckpt", plain("attention=none", f"range={bounds}", *TINY))
    command("generalise", "checkpoints=a.ckpt", *WORDS)
    assert "- 510" in (tmp_path / "run/config.yaml").read_text()
    with pytest.raises(SystemExit, match="the models differ in range"):
        command("generalise", "checkpoints=[a.ckpt,b.ckpt]", *WORDS)
    with pytest.raises(SystemExit, match="channels=1, but the models take 3"):
        command("generalise", "checkpoints=a.ckpt", "channels=1", *WORDS)


def test_noise_that_is_none_is_left_out_or_refused(command, photos, tmp_path):
    save(tmp_path / "a.ckpt", plain("attention=none", *TINY))
    command("generalise", "checkpoints=a.ckpt", *WORDS, "noises.jpeg=null", "~noises.camera")
    record = json.loads((tmp_path / "run/generalisation.json").read_text())
    assert {"jpeg", "camera"}.isdisjoint(cell["noise"] for cell in record["cells"])
    with pytest.raises(SystemExit, match=r"noises\.mine=3 is no noise: give _target_"):
        command("generalise", "checkpoints=a.ckpt", *WORDS, "+noises.mine=3")
    with pytest.raises(SystemExit, match=r"nothing to score: give checkpoints="):
        command("generalise", "checkpoints=[]", *WORDS)
    with pytest.raises(SystemExit, match=r"nothing to score: give checkpoints="):
        command("generalise", "checkpoints=a.ckpt", *WORDS, "noises=null")
    with pytest.raises(SystemExit, match=r"crop=0, but SSIM needs 11 pixels"):
        command("generalise", "checkpoints=a.ckpt", *WORDS, "crop=0")


def test_the_noise_of_photographed_pairs_is_not_measured_and_it_says_so(
    command, photos, tmp_path, capfd
):
    save(tmp_path / "a.ckpt", plain("attention=none", *TINY))
    (tmp_path / "noisy").mkdir()
    for path in photos.iterdir():
        Image.open(path).quantize(8).convert("RGB").save(tmp_path / "noisy" / path.name)
    pairs = ("data=pairs", "data.pairs.noisy=noisy", "data.pairs.clean=photos")
    command("generalise", "checkpoints=a.ckpt", *pairs, *WORDS[2:])
    told = "protocol=seeded is measured, though pairs has noisy photographs"
    assert told in capfd.readouterr().err
