"""denoise check: a table of promises, and status 1 for a broken one."""

import pytest

from denoise import plugins

MIXER = """
import torch
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class Shift(Mixer):
    def __init__(self, dim, num_heads, block_index, *, reach=1):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(dim, 1, 1))
        self.properties = MixerProperties(
            family="convolution", complexity="N", receptive_field=Radius(1), shift_period=1
        )
        self.reach = reach

    def forward(self, x):
        padded = torch.nn.functional.pad(x, (self.reach, 0))
        return self.scale * padded[..., : x.shape[-1]]
"""


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(plugins, "_trusted", set())


def test_an_option_of_the_project(command, capfd):
    command("check", "attention=sca")
    out = capfd.readouterr().out
    assert out.count("| kept |") == 12
    assert "multiply-accumulates a pixel" in out


def test_a_class_of_another_package(command, tmp_path, capfd):
    (tmp_path / "shifty.py").write_text(MIXER)
    with pytest.raises(SystemExit, match=r"shifty.Shift is of another package; if you trust"):
        command("check", "shifty.Shift")
    command("check", "shifty.Shift", "plugins=[./shifty.py]")
    assert "sees 1 px" in capfd.readouterr().out
    broken = "shifty.Shift breaks 1 of 12: it sees what its receptive field says"
    with pytest.raises(SystemExit, match=broken):
        command("check", "shifty.Shift", "plugins=[./shifty.py]", "+options.reach=2")
    assert "stated" in capfd.readouterr().out
    with pytest.raises(SystemExit, match=r"there is no shifty\.Shaft"):
        command("check", "shifty.Shaft", "plugins=[./shifty.py]")
