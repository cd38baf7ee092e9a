"""The order of the runs, the choice of the learning rate, and the promotion to the next rung."""

from tiny_study import options

from denoise.study.declaration import declare
from denoise.study.runs import Planner, Progress, config_key

CONFIG = {"optimizer": {"lr": 0.002}, "data_dir": "data"}


def planner(**changes):
    return Planner(declare(options(**changes)), lambda overrides: CONFIG | {"of": overrides}, {})


def finish(plan, score, validation=None):
    """Make all runs that are known, until none is left, and return them in order."""
    made, progress = [], Progress({}, {})
    while True:
        run = next((r for r in plan.known(progress) if r.key not in progress.validation), None)
        if run is None:
            return made, progress
        made.append(run)
        progress.validation[run.key] = (validation or score)(run)
        progress.chosen[run.key] = score(run)


def by_name(run):
    return {"none": 1.0, "conv1x1": 2.0, "sca": 4.0, "cbam": 3.0}[run.arm.name] + run.seed / 10


def test_all_arms_get_the_first_seed_before_any_gets_the_second():
    made, _ = finish(planner(), by_name)
    first = [(run.arm.name, run.seed) for run in made[:8]]
    arms = ["none", "conv1x1", "sca", "cbam"]
    assert first == [(arm, seed) for seed in (0, 1) for arm in arms]
    assert {run.rung.name for run in made[:8]} == {"A"}


def test_the_best_the_controls_and_a_loser_are_promoted_and_go_on():
    made, progress = finish(planner(), by_name)
    second = [run for run in made if run.rung.name == "B"]
    assert {run.arm.name for run in second} == {"none", "conv1x1", "sca", "cbam"}  # cbam: the loser
    assert all(run.before.rung.name == "A" for run in second)
    assert all(run.before.decay_begins == 4 for run in second)
    factors = {"attention": ["sca", "conv1x1", "cbam", "none", "lka", "mlka"]}
    plan = planner(factors=factors)
    weak = {"lka": 0.5, "mlka": 0.6}
    made, progress = finish(plan, lambda run: weak.get(run.arm.name) or by_name(run))
    last = {arm.name for arm in plan.arms_of(plan.study.rungs[1], progress)}
    assert {"none", "conv1x1", "sca"} < last
    assert len(last) == 4


def test_a_failed_run_is_not_promoted():
    plan = planner()
    _, progress = finish(plan, lambda run: None if run.arm.name == "sca" else by_name(run))
    last = {arm.name for arm in plan.arms_of(plan.study.rungs[1], progress)}
    assert last == {"none", "conv1x1", "cbam"}


def test_the_learning_rate_is_chosen_on_the_validation_and_widened_at_the_edge():
    plan = planner(rates=[0.5, 1, 2])

    def validation(run):  # sca is best at 4, beyond the grid
        best = {"sca": 4, "cbam": 0.5}.get(run.arm.name, 1)
        return 30 - abs(run.rate - best)

    made, progress = finish(plan, by_name, validation)
    arms = {arm.name: arm for arm in plan.study.arms}
    assert {name: plan.rate(arm, progress) for name, arm in arms.items()} == {
        "none": 1, "conv1x1": 1, "sca": 4, "cbam": 0.5,
    }  # fmt: skip
    tried = {(run.arm.name, run.rate) for run in made if run.rung.name == "A" and run.seed == 0}
    assert {rate for name, rate in tried if name == "sca"} == {0.5, 1, 2, 4}
    assert {rate for name, rate in tried if name == "cbam"} == {0.25, 0.5, 1, 2}
    assert {rate for name, rate in tried if name == "none"} == {0.5, 1, 2}
    at_four = next(run for run in made if run.rate == 4)
    assert "optimizer.lr=0.008" in at_four.overrides
    second = {(run.arm.name, run.rate) for run in made if run.rung.name == "B"}
    assert ("sca", 4) in second
    assert ("sca", 1) not in second


def test_what_is_added_runs_in_every_rung_and_pushes_nobody_out():
    changed, _ = finish(planner(add=["my_attention"]), lambda run: by_name(run)
                        if run.arm.name in ("none", "conv1x1", "sca", "cbam") else 9.0)  # fmt: skip
    before, _ = finish(planner(), by_name)
    keys = {run.key for run in before}
    assert {run.arm.name for run in changed if run.key not in keys} == {"my_attention"}
    assert {run.rung.name for run in changed if run.arm.added} == {"A", "B"}


def test_the_key_is_of_what_is_trained():
    key = config_key({"patch": 64, "data_dir": "here"}, ["seed=0"])
    assert key == config_key({"data_dir": "there", "patch": 64, "run_dir": "x"}, ["seed=0"])
    assert key != config_key({"patch": 32}, ["seed=0"])
    assert key != config_key({"patch": 64}, ["seed=1"])
    assert key != config_key({"patch": 64}, ["seed=0"], "before")
