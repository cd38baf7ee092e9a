import json

import numpy as np
import pytest
import torch

from denoise.noise.camera import Camera
from denoise.noise.profile import Level, read_profile, write_profile

LEVELS = [Level(1600, 4e-3, 1e-4, 5e-3), Level(100, 2.5e-4, 1e-6)]


def test_a_profile_is_read_as_it_was_written(tmp_path):
    write_profile(tmp_path / "a.json", "Mine", LEVELS)
    assert [level[:4] for level in read_profile(tmp_path / "a.json")] == [
        (100, 2.5e-4, 1e-6, 0),
        (1600, 4e-3, 1e-4, 5e-3),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "other"}, "of another format"),
        ({"version": 2}, "of version 2, not 1"),
        ({"levels": []}, "it has no levels"),
        ({"levels": [7]}, "a level is no mapping"),
        ({"levels": [{"shot": "1"}]}, "shot is '1'"),
        ({"levels": [{"shot": True}]}, "shot is True"),
        ({"levels": [{"shot": -1e-3}]}, "shot is -0.001"),
        ({"levels": [{"read": 1e-3}]}, "shot is None, not a number from 0 to 1"),
        ({"levels": [{"shot": 1e-3}]}, "read is None"),
        ({"levels": [{"shot": 0, "read": 0}]}, "shot is 0"),
        ({"levels": [{"shot": 1e-3, "read": 1e-5, "iso": 10**400}]}, "iso is 1000000"),
        ({"levels": [{"shot": 10**400}]}, "shot is 1000000"),
        ({"version": True}, "of version True"),
        ({"levels": [{}] * 1001}, "it has no levels"),
        ({"levels": [{"shot": 2}]}, "shot is 2"),
        ({"levels": [{"shot": 1e999}]}, "shot is inf"),
    ],
)
def test_what_is_no_profile_is_refused(tmp_path, change, reason):
    write_profile(tmp_path / "a.json", "Mine", LEVELS)
    content = json.loads((tmp_path / "a.json").read_text()) | change
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"a\.json is no noise profile \(.*{reason}"):
        read_profile(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "\xff"])
def test_damage_is_one_line(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"a\.json is no noise profile"):
        read_profile(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"none\.json cannot be read"):
        read_profile(tmp_path / "none.json")


def test_a_camera_draws_between_the_levels_of_its_profile(tmp_path):
    write_profile(tmp_path / "a.json", "Mine", LEVELS)
    noise = Camera(profile=str(tmp_path / "a.json"))
    drawn = []
    noise._expose = lambda raw, shot, read, row, generator: drawn.append((shot, read, row)) or raw
    noise(torch.rand(400, 3, 4, 4), torch.Generator().manual_seed(0))
    shot, read, row = (one.flatten().numpy() for one in drawn[0])
    assert 2.5e-4 / 1.25 <= shot.min() < 3e-4 < 3e-3 < shot.max() <= 4e-3 * 1.25
    between = np.interp(np.log(shot), np.log([2.5e-4, 4e-3]), np.log([1e-6, 1e-4]))
    assert np.abs(np.log(read) - between).max() < 3 * np.log(1.25)
    assert 0 < np.median(row) < 5e-3
