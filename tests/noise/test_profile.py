import json
import os

import numpy as np
import pytest
import torch
from runs import plain, save

from denoise.noise.camera import Camera
from denoise.noise.profile import Level, compare_dng, fit_isos, read_profile, write_profile
from denoise.weights.load import load_model

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


def test_what_is_zero_at_one_iso_rises_from_there(tmp_path):
    write_profile(tmp_path / "a.json", "Mine", LEVELS)  # without row noise at the lowest ISO
    noise = Camera(profile=str(tmp_path / "a.json"))
    drawn = []
    noise._expose = lambda raw, shot, read, row, generator: drawn.append((shot, row)) or raw
    noise(torch.rand(200, 3, 4, 4), torch.Generator().manual_seed(0))
    shot, row = (one.flatten().numpy() for one in drawn[0])
    middle = (shot > 0.9e-3) & (shot < 1.1e-3)
    assert row[middle].mean() == pytest.approx(2.5e-3, rel=0.2)


def test_the_line_across_isos_is_that_of_the_cameras():
    rng = np.random.default_rng(0)
    shots = np.geomspace(1e-4, 1e-2, 40)
    reads = np.exp(2.18 * np.log(shots) + 1.20 + 0.26 * rng.standard_normal(40))
    found = fit_isos([Level(0, *pair) for pair in zip(shots, reads, strict=True)])
    assert found == pytest.approx((2.18, 1.20, 0.26), rel=0.3)
    assert found.slope == pytest.approx(2.18, abs=0.1)
    assert fit_isos(LEVELS) is None  # two fit any line
    assert fit_isos([Level(0, shot, 0.0) for shot in shots]) is None


def test_the_line_is_written_and_ignored_in_reading(tmp_path):
    levels = [Level(iso, 1e-6 * iso, 1e-11 * iso**2) for iso in (100, 200, 400)]
    write_profile(tmp_path / "a.json", "Mine", levels)
    line = json.loads((tmp_path / "a.json").read_text())["log_read_over_log_shot"]
    assert line["slope"] == pytest.approx(2)
    assert line["deviation"] == pytest.approx(0, abs=1e-6)
    assert [level.iso for level in read_profile(tmp_path / "a.json")] == [100, 200, 400]


def test_a_level_against_the_noise_profile_of_a_dng():
    level = Level(100, 2e-3, 4e-5)
    assert compare_dng(level, 2e-3, 4e-5) == {"shot": 1, "read": 1, "mid-grey": 1}
    ratios = compare_dng(level, 1e-3, 1e-5)
    assert ratios == pytest.approx({"shot": 2, "read": 4, "mid-grey": (4e-4 / 1.9e-4) ** 0.5})
    assert compare_dng(level, 1e-3, 0)["read"] == float("inf")
    for pair in ((0, 0), (1e-3, -1), (2, 0), (float("nan"), 0)):
        with pytest.raises(ValueError, match="are no NoiseProfile"):
            compare_dng(level, *pair)


def test_no_file_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ValueError, match="it is no file"):
        read_profile(tmp_path / "pipe.json")


def test_a_checkpoint_is_loaded_without_the_profile(tmp_path):
    write_profile(tmp_path / "a.json", "Mine", LEVELS)
    resolved = plain("noise=camera", f"noise.profile={tmp_path}/a.json")
    save(tmp_path / "best.ckpt", resolved)
    (tmp_path / "a.json").unlink()
    _, config = load_model(tmp_path / "best.ckpt")
    assert config["noise"]["profile"] == f"{tmp_path}/a.json"


def test_an_evaluation_without_the_profile_is_one_line(command, tmp_path, photos):
    save(tmp_path / "best.ckpt", plain("channels=3"))
    with pytest.raises(SystemExit, match=r"none\.json cannot be read .*: check noise\.profile"):
        command(
            "evaluate", "checkpoint=best.ckpt", "data=folder", f"data.folder.path={photos}",
            "noise=camera", "noise.profile=none.json",
        )  # fmt: skip
