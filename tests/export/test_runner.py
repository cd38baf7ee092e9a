"""The runner without torch: its tiles, and what it refuses, on a model that does nothing."""

import ast
import sys

import numpy as np
import onnx
import pytest
import torch
from harness import make, options, randomize
from pictures import photo
from PIL import Image, ImageCms

from denoise.export import runner
from denoise.export.export_model import write_runner
from denoise.inference.tile_grid import TileConstraints
from denoise.inference.tiling import tile_constraints


class Same:
    """A model that gives what it gets, and notes the tiles."""

    channels = out_channels = 3
    takes_sigma = False

    def __init__(self, path=None, limits=TileConstraints(1, 1, 0, 1, 1)):  # noqa: B008
        self.tiles, self.limits = [], limits

    def __call__(self, noisy, sigma):
        self.tiles.append(noisy.shape[2:])
        return noisy


@pytest.mark.parametrize(
    ("halo", "alignment", "side"),
    [(None, 64, 512), (67, 8, 512), (180, 8, 512), (185, 64, 640), (285, 64, 960), (484, 8, 1312)],
)
def test_the_runner_chooses_tiles_that_work(halo, alignment, side):
    model = Same(limits=TileConstraints(8, alignment, halo, 72, 65))
    image = photo(side + 401, side + 57, 1)
    assert (runner.restore(image, model, None, None, 64) == image).all()
    assert len(model.tiles) > 1
    assert max(map(max, model.tiles)) <= side
    assert sum(height * width for height, width in model.tiles) <= 16 * image.size
    if side > 640:
        with pytest.raises(ValueError, match=f"tiles of 512 px .*give --tile {side} or more"):
            runner.restore(image, model, None, 512, 64)


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """The runner's command, without a model to wait for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "Model", Same)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["run.py", *words])
        runner.main()

    return call


def test_the_runner_replaces_nothing_unasked(convert, tmp_path):
    Image.fromarray(photo(9, 8, 3)).save("a.png")
    (tmp_path / "b.png").write_text("mine")
    with pytest.raises(SystemExit, match=r"b\.png: exists: give --overwrite or another name"):
        convert("a.png", "b.png")
    assert (tmp_path / "b.png").read_text() == "mine"
    convert("a.png", "b.png", "--overwrite")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_the_runner_keeps_exif_and_profile_and_turns_once(convert):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8] = 255
    for suffix in ("jpg", "png", "webp"):
        Image.fromarray(pixels).save(f"a.{suffix}", exif=exif, icc_profile=profile)
        convert(f"a.{suffix}", f"b.{suffix}")
        with Image.open(f"b.{suffix}") as clean:
            assert dict(clean.getexif()) == {0x010F: "Maker"}
            assert clean.info["icc_profile"] == profile
            upright = np.asarray(clean.convert("L"))
        assert upright.shape == (32, 16)
        assert (upright[:, 8:] > 200).mean() > 0.9  # the top goes to the right
    Image.fromarray(pixels).save("a.tif", exif=exif)
    convert("a.tif", "c.tif")
    with Image.open("c.tif") as clean:
        assert clean.size == (16, 32)
        assert 0x0112 not in clean.getexif()


def test_the_runner_refuses_pages_but_not_previews(convert):
    pages = [Image.fromarray(photo(9, 8, 3, seed)) for seed in range(3)]
    for form in ("tif", "mpo", "gif"):
        pages[0].save(f"a.{form}", save_all=True, append_images=pages[1:])
    convert("a.mpo", "b.png")
    for name in ("a.tif", "a.gif"):
        with pytest.raises(SystemExit, match=f"{name}: holds 3 pictures: give each as a file"):
            convert(name, "c.png")


def test_the_runners_errors_name_file_and_remedy_before_the_work(convert, tmp_path, monkeypatch):
    Image.fromarray(photo(90, 80, 3)).save("a.jpg")
    Image.new("RGBA", (9, 9)).save("a.png")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-900])
    (tmp_path / "text.png").write_text("hello")
    Image.fromarray(photo(20, 20, 1)[..., 0].astype(np.uint16)).save("deep.png")
    Image.new("CMYK", (9, 9)).save("ink.tif")
    monkeypatch.setattr(runner, "restore", None)
    there = set(tmp_path.iterdir())
    for noisy, clean, start, end in (
        ("cut.jpg", "b.png", "cut.jpg: cannot be read (image file is truncated", "or TIFF"),
        (
            "text.png",
            "b.png",
            "text.png: cannot be read (cannot identify image file): give",
            "TIFF",
        ),
        ("none.png", "b.png", "none.png: cannot be read (No such file or directory): give", "TIFF"),
        ("deep.png", "b.png", "deep.png: has 16 bits a colour", "convert it to 8"),
        ("ink.tif", "b.png", "ink.tif: CMYK is neither 8-bit grey nor RGB", "convert it"),
        ("a.png", "b.jpg", "b.jpg: cannot be written (cannot write mode RGBA", "be written"),
        ("a.png", "b.xyz", "b.xyz: cannot be written (unknown file extension", "be written"),
        ("a.png", "no/b.png", "no/b.png: cannot be written (No such file or", "be written"),
    ):
        with pytest.raises(SystemExit) as error:
            convert(noisy, clean)
        assert str(error.value).startswith(f"error: {start}")
        assert str(error.value).endswith(end)
        assert "\n" not in str(error.value)
        assert set(tmp_path.iterdir()) == there


def test_the_runner_stands_alone(tmp_path):
    write_runner(tmp_path)
    names = set()
    for path in tmp_path.iterdir():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.py", "tile_grid.py"]
    assert {name.split(".")[0] for name in names} <= {
        *sys.stdlib_module_names, "numpy", "onnxruntime", "PIL", "tile_grid",
    }  # fmt: skip


def test_blended_tiles_of_a_net_that_looks_nowhere_are_exact():
    limits = TileConstraints(4, 8, None, 12, 9)
    x = np.random.default_rng(0).random((1, 1, 100, 236))
    tiles = runner.choose_tiles(100, 236, 64, 24, limits)
    assert len(tiles) > 6
    out = runner.restore_tiles(x, lambda tile, sigma: 2 * tile, None, tiles)
    np.testing.assert_allclose(out, 2 * x, rtol=1e-12)


@pytest.mark.parametrize(
    "attention",
    [
        name if name in ("swin", "neighborhood") else pytest.param(name, marks=pytest.mark.slow)
        for name in options("attention")
    ],
)
def test_tiles_of_the_runner_are_exact(attention):
    sizes = ["backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]"] * (attention != "per_level")
    net = make("backbone", "backbone.dim=8", "backbone.num_refinement_blocks=0", *sizes,
               f"attention={attention}").eval()  # fmt: skip
    net = randomize(net).double()
    limits = tile_constraints(net)
    if limits.halo is None:
        assert net.global_layers()
        return
    x = torch.rand(1, 3, 2 * limits.halo + 9 * limits.step + 2, limits.step + 6).double()
    tile_size = 2 * limits.halo + 4 * limits.step

    def model(tile, sigma):
        with torch.no_grad():
            return net(torch.from_numpy(tile)).numpy()

    for image in (x, x.mT) if attention in ("none", "swin") else (x,):
        with torch.no_grad():
            whole = net(image.contiguous()).numpy()
        tiles = runner.choose_tiles(*image.shape[2:], tile_size, 0, limits)
        assert len(tiles) > 1
        out = runner.restore_tiles(image.contiguous().numpy(), model, None, tiles)
        assert np.abs(out - whole).max() < 1e-10 * np.abs(whole).max()
        with pytest.raises(ValueError, match=r"give --tile \d+ or more"):
            runner.choose_tiles(*image.shape[2:], limits.halo, 0, limits)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"alignment": "wide"}, "states no number"),
        ({"size_multiple": "0"}, "states size_multiple=0: export it again"),
        ({"halo": "-2"}, "states halo=-2: export it again"),
        ({"min_size": None}, "does not state its 'min_size'"),
        ({"channels": "1", "out_channels": "1"}, "does not take what it states"),
    ],
)
def test_wrong_metadata_are_answered_in_a_line(changes, answer, tmp_path, monkeypatch):
    value = onnx.helper.make_tensor_value_info("noisy", onnx.TensorProto.FLOAT, [1, 3, None, None])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 3, None, None])
    node = onnx.helper.make_node("Identity", ["noisy"], ["out"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "same", [value], [out]),
        opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    stated = {"channels": "3", "out_channels": "3", "size_multiple": "8", "smallest": "1",
              "alignment": "8", "min_size": "8", "halo": "4", "sigma_map": "False"}  # fmt: skip
    stated = {key: value for key, value in (stated | changes).items() if value is not None}
    onnx.helper.set_model_props(model, stated)
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo(9, 8, 3)).save("a.png")
    words = ["run.py", "a.png", "b.png", "--model", "model.onnx"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match=answer) as exit_:
        runner.main()
    assert str(exit_.value).startswith("error: ")
    assert "\n" not in str(exit_.value)
