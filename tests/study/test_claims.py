"""Claims that hold, do not hold, and stay open."""

import pytest
from study_tables import scores

from denoise.study.claims import outcomes

EFFECTS = {"gate": 0.0, "good": 0.3, "bad": -0.3}


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ({"arm": "good", "over": "gate", "expect": "better"}, "holds"),
        ({"arm": "best", "over": "gate", "expect": "better"}, "holds"),
        ({"arm": "bad", "over": "gate", "expect": "better"}, "does not hold"),
        ({"arm": "bad", "over": "gate", "expect": "worse"}, "holds"),
        ({"arm": "gate", "over": "missing", "expect": "better"}, "undecided"),
        ({"arm": "good", "over": "gate", "more_on": ["urban", "kodak"]}, "holds"),
        ({"arm": "good", "over": "gate", "more_on": ["kodak", "urban"]}, "does not hold"),
        ({"arm": "good", "over": "gate", "more_on": ["kodak", "nowhere"]}, "undecided"),
    ],
)
def test_outcomes(claim, outcome):
    rows = scores(EFFECTS, seeds=5)
    rows.loc[(rows["arm"] == "good") & (rows["set"] == "urban"), "psnr"] += 0.2
    (found,) = outcomes([claim | {"text": "It helps."}], rows, "good", 0.03)
    assert found.claim == "It helps."
    assert found.outcome == outcome
    arm = "good" if claim["arm"] == "best" else claim["arm"]
    assert found.figures.startswith(f"{arm} against {claim['over']}")


def test_a_wide_interval_leaves_a_claim_open():
    rows = scores(EFFECTS, seeds=2, by_seed=0.5)
    claim = {"text": "?", "arm": "good", "over": "gate", "expect": "better"}
    (found,) = outcomes([claim], rows, "good", 0.03)
    assert found.outcome == "undecided"
    assert "2 seeds" in found.figures


def test_without_an_arm_beside_the_controls_best_is_nobody():
    claim = {"text": "?", "arm": "best", "over": "gate", "expect": "better"}
    (found,) = outcomes([claim], scores(EFFECTS), None, 0.03)
    assert (found.outcome, found.figures) == ("undecided", "nothing but controls is measured yet")
