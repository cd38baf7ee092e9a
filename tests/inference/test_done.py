"""Restored pictures are known by the model and the options that made them."""

import os

import torch
from torch import nn

from denoise.inference.done import NAME, digest, made_with, note


def test_weights_and_options_make_the_name():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    first = digest(net, {"sigma": 25})
    assert first == digest(net, {"sigma": 25.0})
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


def test_a_picture_of_its_own_is_noted_where_notes_are_kept(tmp_path):
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    note(folder, folder / "deep" / "a.png", "one")
    note(folder / "deep" / "a.png", folder / "deep" / "a.png", "two")  # output=out/deep/a.png
    assert made_with(folder) == {folder / "deep" / "a.png": "two"}
    assert [path.name for path in tmp_path.rglob(".*")] == [NAME]


def test_links_and_pipes_are_no_notes(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    for name, make in {"link": lambda p: p.symlink_to(tmp_path / "elsewhere"), "pipe": os.mkfifo,
                       "folder": os.mkdir}.items():  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        make(folder / NAME)
        note(folder, folder / "a.png", "one")
        assert made_with(folder) == {}
    assert (tmp_path / "elsewhere").read_text() == ""
