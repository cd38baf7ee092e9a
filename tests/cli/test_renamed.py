"""Options of earlier versions are answered with their names of today."""

import pytest
from omegaconf import OmegaConf

from denoise.cli.compose import CONFIGS, options
from denoise.cli.renamed import RENAMED, renamed


def test_the_names_of_today_exist():
    for old, new in RENAMED.items():
        group, separator, name = (new or old).partition("/" if "/" in old else ".")
        files = [OmegaConf.load(CONFIGS / group / f"{option}.yaml") for option in options(group)]
        exists = name in options(group) if separator == "/" else any(name in f for f in files)
        assert exists == (new is not None), old


def test_deeper_keys_are_renamed_in_their_place():
    assert renamed("attention.literal") == "its name is 'attention.naive' now"
    assert renamed("attention.level1.literal") == "its name is 'attention.level1.naive' now"
    assert renamed("norm.init") == "it was removed: leave it out"
    assert renamed("attention.size") is None


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            "attention.literal=true",
            "'attention.literal'; .* 'attention.naive' now",
        ),
        ("noise=correlated noise.grain=2", "'noise.grain'; .* 'noise.correlation_sigma' now"),
        ("norm.init=match_layernorm", "'norm.init'; it was removed"),
        ("data@test=samples", "'data/samples'; use 'photographs'"),
    ],
)
def test_a_command_says_the_new_name(command, words, answer):
    with pytest.raises(SystemExit, match=f"^error: .*{answer}"):
        command("train", *words.split(), "hydra.run.dir=run")
