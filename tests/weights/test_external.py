"""Models of other projects: recognised, or refused in one line."""

import pytest
import torch
from runs import Bomb, is_a_short_line
from safetensors.torch import save_file

from denoise.weights.load import open_model


@pytest.mark.parametrize(
    "contents",
    [[torch.zeros(1)], {"conv1.weight": torch.zeros(64, 3, 7, 7)}, {"a": 1}],
    ids=["list", "resnet", "numbers"],
)
def test_what_nobody_knows_is_named(tmp_path, monkeypatch, contents):
    monkeypatch.chdir(tmp_path)
    torch.save(contents, "a.pt")
    if "conv1.weight" in contents:
        save_file(contents, "a.safetensors")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r"give one of these$") as error:
            open_model(path.name)
        assert str(error.value).startswith(f"{path.name}: not recognised by spandrel, and not")
        assert is_a_short_line(error)


def test_code_in_a_peers_file_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("bomb.pth", "bomb.pt"):
        torch.save({"params": Bomb()}, name)
        with pytest.raises(ValueError, match=f"^{name}: holds more than weights"):
            open_model(name)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)).save("script.pt")
    with pytest.raises(ValueError, match=r"^script\.pt: holds more than weights") as error:
        open_model("script.pt")
    assert is_a_short_line(error)
    assert not (tmp_path / "exploded").exists()
