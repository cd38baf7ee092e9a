"""The measurement: its rows, its averages, its observers, and that validation agrees with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from harness import make, randomize
from skimage.data import chelsea

from denoise.data.crops import WholeImages, to_float
from denoise.data.sets import ImageSet
from denoise.evaluation.evaluate import METHOD, averages, evaluate
from denoise.evaluation.protocols import Kair, Real, Seeded
from denoise.noise.estimation import estimate_sigma
from denoise.noise.synthetic import Gaussian
from denoise.training.module import DenoisingModule


def images(*names, noisy=False):
    clean = [chelsea()[10 * i : 10 * i + 40, 40 : 85 - i] for i in range(len(names))]
    partner = [image // 2 + 40 for image in clean] if noisy else None
    return ImageSet(list(names), [Path(name) for name in names], clean, 3, partner)


def blur(noisy, sigma):
    return torch.nn.functional.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False)


def run(sets, protocol, sigmas=(25,), baselines=None, model=blur, observers=()):
    return evaluate(model, sets, protocol, sigmas, baselines or {}, "cpu", observers)


def test_a_row_for_every_set_level_image_and_method():
    sets = {"cats": images("a", "b"), "more": images("c")}
    rows = run(sets, Kair(), (15, 50), {"halve": lambda noisy, sigma: noisy / 2})
    assert [(r["sigma"], r["set"], r["image"], r["method"]) for r in rows] == [
        (sigma, name, image, method)
        for sigma in (15, 50)
        for name, image in (("cats", "a"), ("cats", "b"), ("more", "c"))
        for method in ("noisy", "halve", METHOD)
    ]
    for row in rows:
        assert ("seconds" in row) == (row["method"] != "noisy")
        index = ("a", "b", "c").index(row["image"])
        clean = to_float(WholeImages(sets, None)[index]["clean"])[None]
        noisy = Kair().add_noise(clean, row["sigma"])
        restored = {"noisy": noisy, "halve": noisy / 2, METHOD: blur(noisy, None)}[row["method"]]
        expected = {name: value.item() for name, value in Kair().score(restored, clean).items()}
        assert {name: row[name] for name in ("psnr", "ssim")} == expected


def test_a_protocol_without_sigma_runs_once_on_the_estimate():
    seen = []

    def model(noisy, sigma):
        seen.append((noisy, sigma))
        return noisy

    for protocol in (Seeded(Gaussian(25)), Real()):
        rows = run({"s": images("a", noisy=protocol.name == "real")}, protocol, (15, 50), {}, model)
        assert {row["sigma"] for row in rows} == {None}
        assert len(rows) == 2
        noisy, sigma = seen.pop()
        assert torch.equal(sigma, estimate_sigma(noisy).float())
    assert not seen


def test_observers_see_what_is_restored():
    calls = []
    rows = run({"s": images("a")}, Kair(), observers=[lambda *seen: calls.append(seen)])
    ((key, noisy, restored, clean, scores),) = calls
    assert key == {"set": "s", "sigma": 25, "image": "a"}
    assert torch.equal(noisy, Kair().add_noise(clean, 25))
    assert torch.equal(restored, blur(noisy, None))
    assert scores == {name: rows[1][name] for name in ("psnr", "ssim")}


def test_averages_are_means_over_the_images():
    rows = run({"cats": images("a", "b"), "more": images("c")}, Kair(), (15, 50))
    means = averages(rows)
    assert [(m["set"], m["sigma"], m["method"], m["images"]) for m in means] == [
        (name, sigma, method, count)
        for name, count in (("cats", 2), ("more", 1))
        for sigma in (15, 50)
        for method in ("noisy", METHOD)
    ]
    for mean in means:
        same = [row for row in rows if all(row[k] == mean[k] for k in ("set", "sigma", "method"))]
        for score in ("psnr", "ssim"):
            assert mean[score] == pytest.approx(np.mean([row[score] for row in same]))


@pytest.mark.parametrize("protocol", [Kair(), Seeded(Gaussian(25))], ids=lambda p: p.name)
def test_validation_gives_a_noise_map_the_sigma_that_evaluation_gives(protocol, monkeypatch):
    """The same restored image and PSNR: no clean image decides which checkpoint is kept."""
    words = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "backbone.sigma_map=true")
    net = randomize(make("backbone", *words)).eval()
    optimizer, schedule = torch.optim.Adam, float
    module = DenoisingModule(
        net, Gaussian(25), None, torch.nn.L1Loss(), optimizer, schedule, protocol, 25, 0, {}
    )
    logged, restored = {}, []
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value.item()}))
    sets = {"s": images("a")}
    item = WholeImages(sets, None)[0]
    with torch.inference_mode():
        validated = module.validation_step({"clean": item["clean"][None]}, 0)
        far = net(validated["noisy"], torch.tensor([50.0]))
    rows = run(sets, protocol, model=net, observers=[lambda *seen: restored.append(seen[2])])
    assert torch.equal(validated["restored"], restored[0])
    assert logged == {f"val/{name}": rows[-1][name] for name in ("psnr", "ssim")}
    assert not torch.allclose(far, restored[0])  # the map matters to this net
