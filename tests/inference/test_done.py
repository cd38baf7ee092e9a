"""Restored pictures are known by the model and the options that made them."""

import torch
from torch import nn

from denoise.inference.done import NAME, digest, made_with, note


def test_weights_and_options_make_the_name():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    first = digest(net, {"sigma": 25})
    assert first == digest(net, {"sigma": 25})
    assert first != digest(net, {"sigma": 26})
    with torch.no_grad():
        net[0].weight[0, 0, 0, 0] += 1e-3
    assert first != digest(net, {"sigma": 25})
    assert digest(net.to(torch.bfloat16), {}) != digest(net.to(torch.float16), {})


def test_notes_are_read_back_and_broken_ones_passed_over(tmp_path):
    assert made_with(tmp_path) == {}
    odd = tmp_path / "b" / "\u0444 \n\udcff.png"
    note(tmp_path, tmp_path / "a.png", "one")
    note(tmp_path, tmp_path / "c.png", "one")
    note(tmp_path, tmp_path / "a.png", "two")
    note(tmp_path, odd, "one")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'no json\n[1]\n5\n{"a": 2}\n\xff\n' + b"[" * 5000 + b'\n["d.png", "on')
    found = made_with(tmp_path)
    assert found[tmp_path / "a.png"] == "two"
    assert found[tmp_path / "c.png"] == "one"
    assert tmp_path / "d.png" not in found
