"""Exporting: every file gives what the model gives, the runner without torch too."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from harness import ROOT
from pictures import photo
from PIL import Image
from runs import plain, save
from safetensors.torch import load_file

from denoise.export import export_model as export
from denoise.export import torch_export
from denoise.export.export_model import export_model
from denoise.results.model_card import describe, results_of
from denoise.weights.load import load_model

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")
ALL = ["README.md", "config.json", "model.json", "model.onnx", "model.pt2", "model.safetensors",
       "run.py", "tile_grid.py"]  # fmt: skip
NO_TORCH = (
    "import runpy, sys; sys.modules['torch'] = sys.modules['denoise'] = None;"
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory):
    """A colour model with a noise-level map whose tiles are exact, exported by the script."""
    place = tmp_path_factory.mktemp("bounded")
    net = save(place / "best.ckpt", plain("attention=none", "backbone.sigma_map=true", *TINY))
    script = [sys.executable, ROOT / "scripts" / "export.py"]
    words = ["checkpoint=best.ckpt", "output=out"]
    done = subprocess.run(
        [*script, *words], cwd=place, check=True, capture_output=True, text=True, timeout=600
    )
    return net.eval(), place, done.stdout


@pytest.fixture(scope="module")
def unbounded(tmp_path_factory):
    """A grey model of which no tile is exact."""
    place, resolved = (
        tmp_path_factory.mktemp("unbounded"),
        plain("attention=sca", "channels=1", *TINY),
    )
    net = save(place / "a.ckpt", resolved).eval()
    export_model(net, resolved, None, ["onnx"], place / "out")
    return net, place


def run(folder, *words, fails=False):
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, "run.py", *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if not fails:
        assert done.returncode == 0, done.stderr
        return None
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def by_torch(net, pixels, *sigma):
    x = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1) / 255)[None]
    with torch.no_grad():
        out = net(x, *(torch.tensor([s]) for s in sigma))[0]
    return out.numpy().transpose(1, 2, 0) * 255


def test_a_folder_holds_everything_and_no_paths(bounded):
    _, place, shown = bounded
    assert sorted(path.name for path in (place / "out").iterdir()) == ALL
    assert sorted(path.name for path in place.iterdir()) == ["best.ckpt", "out"]
    for path in (place / "out").iterdir():
        contents = path.read_bytes()
        for private in (str(ROOT), str(place), sys.prefix):
            assert private.encode() not in contents, f"{path.name} holds {private}"
    exported = json.loads((place / "out" / "model.json").read_text())
    for form in ("onnx", "pt2"):
        assert len(exported["checks"][form]) == 4
        assert max(exported["checks"][form].values()) < 1e-5
        assert f"{form}: differs from the model by at most" in shown


def test_the_folder_loads_as_the_model(bounded):
    net, place, _ = bounded
    loaded, _ = load_model(place / "out")
    x, sigma = torch.rand(2, 3, 21, 33), torch.tensor([10.0, 30.0])
    torch.testing.assert_close(loaded(x, sigma), net(x, sigma), rtol=0, atol=0)


def test_pt2_needs_torch_alone(bounded):
    net, place, _ = bounded
    x, sigma = torch.rand(3, 3, 38, 29), torch.tensor([5.0, 25.0, 50.0])
    torch.save((x, sigma, net(x, sigma).detach()), place / "example.pt")
    code = (
        "import sys, torch; sys.modules['denoise'] = None;"
        "x, sigma, expected = torch.load('example.pt');"
        "restored = torch.export.load('out/model.pt2').module()(x, sigma);"
        "torch.testing.assert_close(restored, expected)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=place, check=True, timeout=600)
    (place / "example.pt").unlink()


@pytest.mark.parametrize("size", [(70, 93), (64, 80), (5, 4)], ids=str)
def test_the_runner_gives_what_torch_gives(bounded, tmp_path, size):
    net, place, _ = bounded
    pixels, alpha = photo(*size, 3), photo(*size, 1, seed=1)
    Image.fromarray(np.concatenate([pixels, alpha], 2)).save(tmp_path / "a.png")
    results = []
    for tile in (0, 48):
        clean = tmp_path / f"{tile}.png"
        run(place / "out", tmp_path / "a.png", clean, "--sigma", 30, "--tile", tile)
        results.append(np.asarray(Image.open(clean)))
    exact = by_torch(net, pixels, 30.0).clip(0, 255)
    assert np.abs(results[0][..., :3] - exact).max() <= 0.51  # rounding
    assert (results[0][..., 3:] == alpha).all()
    assert np.abs(results[1].astype(int) - results[0]).max() <= 1
    assert (results[1] != results[0]).mean() < 0.01


def test_a_grey_photograph_is_three_equal_colours(bounded, tmp_path):
    net, place, _ = bounded
    pixels = photo(33, 41, 1)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    run(place / "out", tmp_path / "a.png", tmp_path / "b.png", "--sigma", 15)
    exact = by_torch(net, pixels.repeat(3, 2), 15.0).mean(2).clip(0, 255)
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")) - exact).max() <= 0.51


def test_a_grey_model_restores_colours_one_by_one_and_blends_tiles(unbounded, tmp_path):
    net, place = unbounded
    pixels = photo(150, 131, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run(place / "out", tmp_path / "a.png", tmp_path / "b.png")
    exact = np.concatenate([by_torch(net, pixels[..., c : c + 1]) for c in range(3)], 2)
    exact = exact.clip(0, 255)
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")) - exact).max() <= 0.51
    run(place / "out", tmp_path / "a.png", tmp_path / "c.png", "--tile", 64, "--overlap", 16)
    blended = np.asarray(Image.open(tmp_path / "c.png"))
    assert 0 < np.abs(blended - exact).max() < 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --sigma"),
        (["--sigma", 25, "--tile", 8], "give --tile"),
        (["--sigma", 25, "--tile", -1], "--tile is 0 or more"),
        (["--sigma", 25, "--model", "run.py"], "run.py: is not a model"),
        (["--sigma", 25, "--model", "none.onnx"], "none.onnx: no such model"),
    ],
)
def test_the_runners_errors_are_one_line(bounded, tmp_path, words, message):
    Image.fromarray(photo(50, 60, 3)).save(tmp_path / "a.png")
    assert message in run(
        bounded[1] / "out", tmp_path / "a.png", tmp_path / "b.png", *words, fails=True
    )
    assert not (tmp_path / "b.png").exists()


def test_the_runner_refuses_a_sigma_that_is_not_asked_for(unbounded, tmp_path):
    folder, noisy = unbounded[1] / "out", tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(noisy)
    assert "leave --sigma out" in run(folder, noisy, tmp_path / "b.png", "--sigma", 3, fails=True)
    assert list(tmp_path.iterdir()) == [noisy]


class TestExport:
    words = ("attention=none", *TINY)

    def export(self, tmp_path, formats, **options):
        resolved = plain(*self.words)
        net = save(tmp_path / "a.ckpt", resolved).eval()
        return export_model(net, resolved, None, formats, tmp_path / "out", **options)

    def test_nothing_is_overwritten_unasked(self, tmp_path):
        self.export(tmp_path, ["safetensors"])
        (tmp_path / "out" / "model.onnx").write_text("old")
        (tmp_path / "out" / "mine.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"has README\.md, .*: give overwrite=true"):
            self.export(tmp_path, ["safetensors"])
        self.export(tmp_path, ["safetensors"], overwrite=True)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "README.md", "config.json", "mine.txt", "model.json", "model.safetensors",
        ]  # fmt: skip

    def test_a_file_in_the_place_of_the_folder_is_named(self, tmp_path):
        (tmp_path / "out").write_text("mine")
        with pytest.raises(ValueError, match="out is a file: give a folder"):
            self.export(tmp_path, ["safetensors"], overwrite=True)
        assert (tmp_path / "out").read_text() == "mine"

    def test_unknown_formats_are_refused(self, tmp_path):
        for formats in (["safetensors", "tflite"], []):
            with pytest.raises(ValueError, match="choose from safetensors, onnx, pt2"):
                self.export(tmp_path, formats)
        assert not (tmp_path / "out").exists()

    def test_a_program_that_differs_is_an_error(self, tmp_path, monkeypatch):
        monkeypatch.setattr(torch_export, "TOLERANCE", -1.0)
        with pytest.raises(ValueError, match="differs from the model"):
            self.export(tmp_path, ["safetensors", "pt2"])
        assert not list((tmp_path / "out").iterdir())

    def test_what_cannot_be_exported_is_named_and_the_rest_goes_on(self, tmp_path, monkeypatch):
        def fail(net, channels):
            raise torch_export.ExportError("encoder.0.0.mixer (Odd): is odd")

        monkeypatch.setattr(export, "trace", fail)
        exported = self.export(tmp_path, ["safetensors", "onnx", "pt2"])
        assert exported["skipped"] == dict.fromkeys(
            ("onnx", "pt2"), "encoder.0.0.mixer (Odd): is odd"
        )
        assert "Not in this folder, pt2: encoder.0.0.mixer (Odd): is odd." in (
            tmp_path / "out" / "README.md"
        ).read_text()  # fmt: skip
        with pytest.raises(ValueError, match=r"nothing could be exported: onnx: .*is odd"):
            self.export(tmp_path, ["onnx"], overwrite=True)

    def test_half_precision(self, tmp_path):
        exported = self.export(tmp_path, ["safetensors"], half_precision=True)
        assert exported["half_precision"]
        card = (tmp_path / "out" / "README.md").read_text()
        assert "rounded to half precision" in card
        stored = load_file(tmp_path / "out" / "model.safetensors")
        assert {weight.dtype for weight in stored.values()} == {torch.float16}
        net, _ = load_model(tmp_path / "out")
        for name, weight in net.state_dict().items():
            assert torch.equal(weight, stored[name].float()), name


def test_the_card_says_what_it_is(tmp_path):
    resolved = plain("attention=dual", "noise.sigma=[0,50]", *TINY)
    net = save(tmp_path / "run" / "checkpoints" / "best.ckpt", resolved).eval()
    row = {"set": "kodak24", "sigma": 25, "method": "restored", "images": 24}
    record = {"protocol": "kair", "average": [row | {"psnr": 30.734, "ssim": 0.84264}],
              "training": {"steps": 1636, "seconds": 200.4}}  # fmt: skip
    (tmp_path / "run" / "results.json").write_text(json.dumps(record))
    checkpoints = tmp_path / "run" / "checkpoints"
    assert results_of(checkpoints / "best.ckpt") == record
    assert results_of(checkpoints / "last.ckpt") is None
    assert results_of(tmp_path / "other" / "best.ckpt") is None
    found = results_of(checkpoints / "best.ckpt")
    export_model(net, resolved, found, ["safetensors"], tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    for line in (
        "attention dual (first=swin (window_size=8, ",
        "| kodak24 | 24 | 25 | restored | 30.73 | 0.8426 |",
        "| steps | 1636 |",
        "| images | photographs |",
        "| noise | Gaussian (sigma=[0, 50]) |",
        f"| parameters | {sum(p.numel() for p in net.parameters()):,} |",
        "the licence of the weights is for whoever publishes them to choose",
        'denoise.load("FOLDER")',
    ):
        assert line in text
    assert "onnx" not in text
    assert describe(resolved["backbone"]["norm"]) == "LayerNorm (eps=1e-05)"
