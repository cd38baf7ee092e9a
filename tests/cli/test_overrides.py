"""Arguments: names of any kind in every option that takes a path, flags anywhere."""

import os

import pytest
import torch
from harness import config
from hydra.core.override_parser.overrides_parser import OverridesParser
from runs import plain, save
from skimage.io import imsave

from denoise.cli.overrides import hydra_arguments, quote_path

NAMES = [
    "k=1", "Photos (2020), trip", "фото/отпуск", "a@b", "it's", "x[1]{2}", "[x]", "{x: 1}", "a:b",
    "2020", "1e5", "true", "#1", "50%", "a\\", "a\\'b", "'", '"', '"a" b', "'a', b", "-", "+x",
    " ", "a;b|c&d!", "~no-such-user/x", "🙂", "glob(*)", "写真", "tab\there",
]  # fmt: skip


def value_of(override):
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_taken_by_the_letter(name):
    def taken(command, *keys, **choices):
        words = [f"{key}={name}" for key in keys]
        choices = [f"{key}={choice}" for key, choice in choices.items()]
        made = config(*choices, *hydra_arguments(words), name=command)
        for key in keys:
            value = made
            for part in key.split("."):
                value = value[part]
            yield value

    found = [
        *taken("restore", "checkpoint", "input", "output"),
        *taken("evaluate", "checkpoint", "data_dir", "data.pairs.noisy", "data.pairs.clean",
               "run_dir", data="pairs"),
        *taken("train", "resume", "train.folder.path", **{"data@train": "folder"}),
    ]  # fmt: skip
    assert set(found) == {name}
    assert all(isinstance(value, str) for value in found)
    assert str(value_of(quote_path(f"hydra.run.dir={name}", sweep=True))) == name


@pytest.mark.parametrize("name", [name for name in NAMES if "," not in name and name.strip(" '\"")])
def test_commas_outside_quotes_separate_runs(name):
    mark = "'" if '"' in name else '"'
    quoted = f"{mark}{name}, {name}{mark}" if "\\" not in name and mark not in name else "x"
    override = OverridesParser.create().parse_override(
        quote_path(f"data_dir={name}, {quoted} ,other", sweep=True)
    )
    runs = [value_of(f"data_dir={text}") for text in override.sweep_string_iterator()]
    assert [str(run) for run in runs] == [name, quoted.strip(mark), "other"]


def test_an_existing_path_with_a_comma_is_one_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a, b").mkdir()
    for override in ("train.folder.path=a, b", "network.calibration=a, b"):
        assert str(value_of(quote_path(override, sweep=True))) == "a, b"


def test_numbers_stay_numbers_beside_files_of_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("0", "swin", "1e-3"):
        (tmp_path / name).touch()
    for override in ("seed=0", "attention=swin", "optimizer.lr=1e-3", "sigma=[15,25]", "x='a b'"):
        assert quote_path(override, sweep=False) == override


def test_plain_paths_null_and_interpolations_stay(monkeypatch):
    for override in ("data_dir=data/a-b_2.x", "resume=null", "out=", "checkpoint=../x.ckpt"):
        assert quote_path(override, sweep=False) == override
    made = config(*hydra_arguments(["data@train=folder", "train.folder.path=${data_dir}/x y"]))
    assert made.train.folder.path == "data/x y"


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "o'neill & sons"))
    for path in ("~/x, y", "'~/x, y'", '"~/x, y"', "~"):
        found = str(value_of(quote_path(f"input={path}", sweep=False)))
        assert found == os.path.expanduser(path.strip("\"'"))
    assert quote_path("~logger", sweep=False) == "~logger"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["attention=swin", "-m", "seed=0,1"], ["-m", "attention=swin", "seed=0,1"]),
        (["a=1", "--cfg", "job", "b=2"], ["--cfg", "job", "a=1", "b=2"]),
        (["a=1", "--cfg=job", "~b"], ["--cfg=job", "a=1", "~b"]),
        (["-cd", "k=1", "a=1"], ["-cd", "k=1", "a=1"]),
    ],
)
def test_flags_come_first(arguments, expected):
    assert hydra_arguments(arguments) == expected


def test_words_without_a_key():
    assert hydra_arguments(["set12", "data_dir=x", "bsd400"], "sets") == [
        "data_dir=x", "sets=[set12,bsd400]"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="swin is not an option: options are written key=value"):
        hydra_arguments(["swin"])
    with pytest.raises(ValueError, match=r"--rounds is not a flag: .* rounds=VALUE"):
        hydra_arguments(["--rounds", "5"], "suite")


def test_a_sweep_over_folders_of_any_name(command, tmp_path):
    generator = torch.Generator().manual_seed(0)
    folder = tmp_path / "Photos (2020), trip" / "x[1]{2} = фото"
    folder.mkdir(parents=True)
    pixels = torch.randint(256, (24, 24, 3), generator=generator, dtype=torch.uint8)
    imsave(folder / "a.png", pixels.numpy(), check_contrast=False)
    save(tmp_path / "it's" / "a@b=1.ckpt", plain())
    command("evaluate", "data=folder", f"data.folder.path={folder.relative_to(tmp_path)}", "-m",
            "checkpoint=it's/a@b=1.ckpt", "sigma=15,25", "hydra.sweep.dir=k=1, out")  # fmt: skip
    assert len(list((tmp_path / "k=1, out").glob("[01]_*/results.json"))) == 2
