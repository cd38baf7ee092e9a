"""Released models are found by name."""

import re

import pytest
import skimage.data
import torch
from runs import plain, save

from denoise.data.crops import to_float
from denoise.export.export_model import write_weights
from denoise.metrics import psnr
from denoise.weights import released
from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Two released models in a folder of the test's own."""
    monkeypatch.setattr(released, "FOLDER", tmp_path / "released")
    for name in ("color", "another"):
        resolved = plain()
        net = save(tmp_path / "released" / name / "a.ckpt", resolved)
        write_weights(
            net, resolved, tmp_path / "released" / name / "model.safetensors", half_precision=True
        )
    return tmp_path / "released"


def test_the_default_is_named_first(shelf):
    assert released.released_models() == ["color", "another"]


def test_a_name_wins_over_a_folder_of_the_same_name(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "color").mkdir()
    assert released.find_model("color") == shelf / "color"
    assert released.find_model(tmp_path / "color") == tmp_path / "color"
    assert str(released.find_model("photos/color")) == "photos/color"


def test_a_released_model_loads_by_name(shelf):
    net, config = load_model("another")
    assert config["backbone"]["dim"] == 8
    assert {weight.dtype.is_floating_point for weight in net.parameters()} == {True}


@pytest.mark.parametrize("position", [0.5, 0.9, 0.999])
def test_a_damaged_file_is_refused(shelf, position):
    path = shelf / "color" / "model.safetensors"
    contents = bytearray(path.read_bytes())
    contents[int(len(contents) * position)] ^= 1
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: is not the file.*damaged"):
        load_model("color")


CROPS = ("chelsea", "coffee", "astronaut")


def scores(net, name):
    """PSNR of a crop with noise of sigma 25 and of what the model makes of it, in dB."""
    pixels = getattr(skimage.data, name)()
    top, left = ((length - 128) // 2 for length in pixels.shape[:2])
    crop = torch.from_numpy(pixels[top : top + 128, left : left + 128].copy())
    clean = to_float(crop.permute(2, 0, 1)[None])
    if net.in_channels == 1:
        clean = clean.mean(1, keepdim=True)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = clean + 25 / 255 * noise
    with torch.inference_mode():
        restored = net(noisy, torch.tensor([25.0]))
    return [psnr(image, clean).item() for image in (noisy, restored)]


@pytest.mark.parametrize("name", released.released_models())
def test_a_released_model_has_the_scores_of_its_card(name):
    folder = released.FOLDER / name
    net, config = load_model(name)
    net.in_channels = config["backbone"]["in_channels"]
    card = (folder / "README.md").read_text()
    for crop in CROPS:
        row = re.search(rf"^\| {crop} \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
        stated = [float(value) for value in row.groups()]
        assert scores(net, crop) == pytest.approx(stated, abs=0.02), crop


@pytest.mark.parametrize("name", released.released_models())
def test_a_released_model_is_small_and_says_where_it_is_from(name):
    folder = released.FOLDER / name
    assert (folder / "model.safetensors").stat().st_size < 4 * 2**20
    assert sum(weight.numel() for weight in load_model(name)[0].parameters()) <= 2e6
    card = (folder / "README.md").read_text()
    for said in ("## Data and licence", "## How it was trained", "## Limits", "denoise train"):
        assert said in card, said
    for path in folder.glob("*.json"):
        assert not re.search(r'"/\w+/', path.read_text()), f"{path} names a path of a machine"


def test_all_released_models_fit_in_the_wheel():
    files = released.FOLDER.glob("*/model.safetensors")
    assert 0 < sum(path.stat().st_size for path in files) < 10 * 2**20
