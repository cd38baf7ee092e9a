"""Released models are found by name."""

import pytest
from runs import plain, save

from denoise.export.export_model import write_weights
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
