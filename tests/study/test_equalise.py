"""Arms get the same size by the width of their feed-forward network."""

import pytest
from harness import config, make
from tiny_study import options

from denoise.evaluation.complexity import macs
from denoise.study.declaration import declare
from denoise.study.equalise import equalise

BASE = ["backbone.dim=16", "feedforward=gdfn", "norm=layernorm"]


def build(overrides):
    return make("backbone", *overrides)


def count(net):
    return sum(p.numel() for p in net.parameters())


def study(**changes):
    factors = {"attention": ["none", "conv1x1", "sca", "mlka"]}
    chosen = {"base": BASE, "factors": factors, "reference": ["attention=mdta"]} | changes
    return declare(options(**chosen))


def test_parameters_are_within_the_tolerance():
    target = count(build([*BASE, "attention=mdta"]))
    sizes = equalise(study(), build, config(*BASE).backbone.dim)
    for name, size in sizes.items():
        built = count(build([*BASE, f"attention={name}", *size.overrides]))
        assert size.parameters == built
        assert abs(built / target - 1) < 0.05, name
        assert size.deviation == pytest.approx(built / target - 1)
    assert sizes["none"].expansion > sizes["mlka"].expansion


def test_cost_can_be_the_same_instead():
    target = macs(build([*BASE, "attention=mdta"]), 3, 128)
    for name, size in equalise(study(equalise="macs"), build, 16).items():
        built = macs(build([*BASE, f"attention={name}", *size.overrides]), 3, 128)
        assert abs(built / target - 1) < 0.05, name


def test_a_mixer_that_is_too_large_is_told():
    too_small = study(reference=["attention=none", "feedforward.expansion=0.5"])
    assert equalise(too_small, build, 16)["mlka"].deviation > 0.05


def test_nothing_is_changed_where_nothing_is_asked():
    sizes = equalise(study(equalise="nothing"), build, 16)
    assert all(size.overrides == () for size in sizes.values())
