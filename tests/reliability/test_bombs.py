"""Small files that name more than memory holds are refused at once."""

import io
import pickle
import time
import zipfile

import pytest
import torch
from runs import is_a_short_line, plain, save

from denoise.weights.load import load_checkpoint, load_model, read_state
from denoise.weights.read import CheckpointError

SECONDS = 10


def forge(path, config):
    """A checkpoint whose config is a pickle that no writer makes."""
    buffer = io.BytesIO()
    torch.save({}, buffer)
    head = b"\x80\x02}(X\x0a\0\0\0state_dict}X\6\0\0\0config}X\x08\0\0\0backbone"
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w") as forged:
        for name in whole.namelist():
            is_pickle = name.endswith("data.pkl")
            forged.writestr(name, head + config + b"su." if is_pickle else whole.read(name))


def nested_list(depth):
    return b"]" * depth + b"a" * (depth - 1)


def nested_dict(depth):
    return b"}X\1\0\0\0a" * depth + b"K\1" + b"s" * depth


def doubling(levels):
    """A list of two of the same list, of two of the same list, and so on: 2 to the power of it."""
    part = []
    for _ in range(levels):
        part = [part, part]
    return pickle.dumps(part, 2)[2:-1]


@pytest.mark.parametrize("read", [load_model, load_checkpoint, read_state])
@pytest.mark.parametrize(
    "config",
    [nested_list(1000), nested_list(100_000), nested_dict(1000), nested_dict(100_000),
     doubling(24), doubling(60)],
    ids=["lists", "more lists", "dicts", "more dicts", "doubled", "doubled often"],
)  # fmt: skip
def test_configs_that_are_deep_or_endless(tmp_path, read, config):
    path = tmp_path / "a.ckpt"
    forge(path, config)
    begun = time.perf_counter()
    with pytest.raises(CheckpointError, match=r"a\.ckpt: its config is nested too deeply") as error:
        read(path)
    assert is_a_short_line(error)
    assert time.perf_counter() - begun < SECONDS


def test_a_config_of_json_that_is_deep(tmp_path):
    save(tmp_path / "a.ckpt", plain())
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for depth in (300, 100_000):
        text = '{"backbone": ' + "[" * depth + "]" * depth + "}"
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(CheckpointError) as error:
            load_model(tmp_path)
        assert is_a_short_line(error)


def test_real_configs_are_far_below_the_limits(tmp_path):
    for attention in ("dual", "swin"):
        save(tmp_path / "a.ckpt", plain(f"attention={attention}", "experiment=recipe"))
        load_model(tmp_path / "a.ckpt")
