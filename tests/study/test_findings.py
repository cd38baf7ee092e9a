"""What the tables of a study show."""

import pandas
import pytest
from study_tables import write_tables
from tiny_study import options

from denoise.study.declaration import declare
from denoise.study.findings import chosen_curves, find, rates_tried, read_tables, unfinished


@pytest.fixture
def tables(tmp_path):
    return read_tables(write_tables(tmp_path))


def test_arms_are_judged_on_sets_that_chose_nothing(tables):
    found = find(declare(options()), tables)
    assert found.rung.name == "B"
    assert found.sets == ["kodak", "urban"]
    assert found.best == "sca"
    assert found.order == ["sca", "conv1x1", "cbam", "none"]
    assert dict(zip(found.verdicts["arm"], found.verdicts["verdict"], strict=True)) == {
        "sca": "better", "cbam": "worse", "none": "worse",
    }  # fmt: skip
    assert set(found.verdicts["images"]) == {14}
    (agreement,) = found.agreement.to_dict("records")
    assert agreement["tau"] == 1
    arms = found.arms.set_index("arm")
    assert arms.loc["none", "is control"]
    assert arms.loc["cbam", "s a step"] == 2.0
    assert arms.loc["cbam", "latency"] == 130
    assert set(found.strata["stratum"]) == {"set", "sigma", "gradient", "self-similarity"}


def test_a_latency_that_was_not_measured_is_unknown(tables):
    found = find(declare(options()), tables._replace(latency=tables.latency.iloc[:0]))
    assert found.arms["latency"].isna().all()


def test_curves_are_of_the_compared_runs_and_rates_of_all(tables):
    study = declare(options())
    curves = chosen_curves(tables, study.rungs[0])
    assert set(curves["rate"]) == {1.0}
    assert set(curves["seed"]) == {0, 1, 2}
    assert set(rates_tried(study, tables)["rate"]) == {0.5, 1.0, 2.0}


def test_what_is_missing_is_told(tables):
    study = declare(options(add=["lka"], rates=[0.5, 1, 2]))
    failed = tables.runs.tail(1).assign(arm="lka", error="ValueError: broken", seed=0)
    told = unfinished(study, tables._replace(runs=pandas.concat([tables.runs, failed])))
    assert "Rung A: 12 of 10 runs are scored." not in told
    assert "Learning rates beside the declared one were tried for 4 of 5 arms in rung A." in told
    assert "lka, seed 0, failed: ValueError: broken" in told
    only_a = tables._replace(scores=tables.scores[tables.scores["rung"] == "A"])
    assert "Rung B (10 steps) has not begun." in unfinished(study, only_a)


def test_without_an_arm_and_its_control_there_is_nothing_to_say(tables, tmp_path):
    study = declare(options())
    only = tables.scores[tables.scores["arm"] == "sca"]
    with pytest.raises(ValueError, match="conv1x1, the control, and another arm are not scored"):
        find(study, tables._replace(scores=only))
    with pytest.raises(ValueError, match="holds no scores yet: run the study first"):
        read_tables(tmp_path / "nowhere")
