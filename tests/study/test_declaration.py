"""What a study declares, and what is refused."""

import pytest
from harness import config
from omegaconf import OmegaConf
from tiny_study import options

from denoise.cli.compose import options as options_of
from denoise.study.declaration import declare


def test_controls_come_first_and_levels_become_overrides():
    study = declare(options(factors={"attention": ["sca", "none", {"conv1x1": ["a=1", "b=2"]}]}))
    assert [arm.name for arm in study.arms] == ["none", "conv1x1", "sca"]
    assert study.arms[1].overrides == ("a=1", "b=2")
    assert [study.is_control(arm) for arm in study.arms] == [True, True, False]


def test_all_combinations_are_compared_within_the_other_factors():
    factors = {"norm": ["layernorm", "dyt"], "attention": ["mdta", "swin"]}
    study = declare(options(factors=factors, controls=["layernorm"], control="layernorm"))
    arms = {arm.name: arm for arm in study.arms}
    assert list(arms) == ["layernorm+mdta", "layernorm+swin", "dyt+mdta", "dyt+swin"]
    assert arms["dyt+swin"].overrides == ("norm=dyt", "attention=swin")
    assert study.control_of(arms["dyt+swin"]).name == "layernorm+swin"
    assert study.control_of(arms["layernorm+swin"]) is None


def test_what_is_added_is_marked_and_what_is_there_is_not_added_twice():
    study = declare(options(add=["my_attention", "sca"]))
    assert [arm.name for arm in study.arms if arm.added] == ["my_attention"]
    assert len(study.arms) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"control": "gate"}, "study.control=gate is unknown: choose one of sca, conv1x1"),
        ({"controls": ["gate"]}, "study.controls=gate is unknown"),
        ({"factors": {}}, "study.factors names nothing"),
        ({"factors": {"attention": ["sca", "sca", "none", "conv1x1"]}}, "stands twice"),
        ({"rates": [0.5]}, "study.rates are factors on the learning rate: 1 must be among them"),
        ({"equalise": "time"}, "study.equalise=time is unknown"),
        ({"equivalence": 0}, "study.equivalence=0 must be positive"),
        ({"rungs": []}, "study.rungs: give rungs in the order of their steps"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        declare(options(**changes))


@pytest.mark.parametrize("name", options_of("study"))
def test_every_study_of_this_project_is_declared(name):
    chosen = config(f"study={name}", name="study").study
    study = declare(OmegaConf.to_container(chosen, resolve=True))
    assert study.name == name
    assert study.claims
    for arm in study.arms:
        train = config(*study.base, *arm.overrides)
        assert train.patch % (8 * 2 ** (len(train.backbone.num_blocks) - 1)) == 0
