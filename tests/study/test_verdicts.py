"""Verdicts from a long table: pairing, Holm, equivalence, strata, agreement of ranks."""

import numpy as np
import pandas
import pytest
from scipy import stats
from study_tables import scores as table

from denoise.study.verdicts import (
    compare,
    means,
    paired,
    rank_agreement,
    sentence,
    strata,
    verdict,
)

EFFECTS = {"gate": 0.0, "good": 0.3, "bad": -0.3, "same": 0.0}
PAIRS = dict.fromkeys(["good", "bad", "same"], "gate")


def test_a_known_effect_gets_its_word():
    rows = compare(table(EFFECTS, seeds=5), PAIRS, 0.03).set_index("arm")
    words = dict(rows["verdict"])
    assert words == {"good": "better", "bad": "worse", "same": "equivalent"}
    assert list(rows.index) == ["good", "same", "bad"]
    for arm in PAIRS:
        assert rows.loc[arm, "low"] < EFFECTS[arm] < rows.loc[arm, "high"]
    assert rows.loc["good", "images"] == 20
    assert rows.loc["good", "seeds"] == 5


def test_holm_is_of_the_whole_family():
    rows = compare(table(EFFECTS, seeds=5), PAIRS, 0.03).sort_values("p")
    expected = np.minimum(1, np.maximum.accumulate(rows["p"] * [3, 2, 1]))
    assert np.allclose(rows["p, Holm"], expected)
    assert (rows["p equivalence, Holm"] >= rows["p equivalence"]).all()


def test_pairs_are_of_one_seed_and_image():
    scores = table({"gate": 0.0, "good": 0.3}, seeds=3)
    missing = (scores["arm"] == "good") & (scores["image"] == "i3") & (scores["seed"] == 1)
    found = paired(means(scores[~missing]), "good", "gate")
    assert found.values.shape == (3, 19)
    assert ("urban", "i3") not in found.images
    row, column = found.seeds.index(2), found.images.index(("kodak", "i4"))
    own = scores[(scores["seed"] == 2) & (scores["image"] == "i4")].groupby("arm")["psnr"].mean()
    assert found.values[row, column] == pytest.approx(own["good"] - own["gate"])


def test_one_seed_is_undecided_and_says_so():
    (row,) = compare(table({"gate": 0, "good": 1.0}, seeds=1), {"good": "gate"}, 0.03).to_dict(
        "records"
    )
    assert row["verdict"] == "undecided"
    assert np.isnan(row["low"])
    assert "undecided, +1.016" in sentence(row)
    assert "with 1 seed, 20 images" in sentence(row)
    (row,) = compare(table({"gate": 0}), {"good": "gate"}, 0.03).to_dict("records")
    assert sentence(row) == "good against gate: not measured yet."


def test_sentences():
    found = compare(table(EFFECTS, seeds=5), PAIRS, 0.03).to_dict("records")
    rows = {row["arm"]: sentence(row) for row in found}
    assert rows["good"].startswith("good is better than gate by 0.")
    assert "(95 % interval +0." in rows["good"]
    assert rows["bad"].startswith("bad is worse than gate by 0.")
    assert rows["same"].startswith("same is equivalent to gate: ")
    unsure = table({"gate": 0, "good": 0.1}, seeds=2, by_seed=0.2)
    (row,) = compare(unsure, {"good": "gate"}, 0.03).to_dict("records")
    assert sentence(row).startswith("good against gate: undecided, ")


@pytest.mark.parametrize(
    ("difference", "p", "p_equivalence", "word"),
    [(0.2, 0.01, 0.9, "better"), (-0.2, 0.01, 0.9, "worse"), (0.01, 0.01, 0.01, "equivalent"),
     (0.2, 0.06, 0.5, "undecided"), (0.2, float("nan"), float("nan"), "undecided")],
)  # fmt: skip
def test_words(difference, p, p_equivalence, word):
    assert verdict(difference, p, p_equivalence) == word


def test_tau_is_scipys():
    both = pandas.concat([
        table({"a": 0, "b": 1, "c": 2, "d": 3}), table({"a": 0, "b": 2, "c": 1, "d": 3}, rung="B"),
    ])  # fmt: skip
    (row,) = rank_agreement(both, ["A", "B", "C"]).to_dict("records")
    assert row["rungs"] == "A and B"
    assert row["tau"] == pytest.approx(stats.kendalltau([0, 1, 2, 3], [0, 2, 1, 3]).statistic)


def test_strata_cover_sets_sigmas_and_terciles():
    scores = table({"gate": 0.0, "good": 0.3}, sigmas=(15.0, 50.0))
    urban = (scores["arm"] == "good") & (scores["set"] == "urban")
    scores.loc[urban, "psnr"] += 0.5
    images = scores[["set", "image"]].drop_duplicates()
    number = images["image"].str[1:].astype(int)
    images = images.assign(gradient=number, **{"self-similarity": (number % 2) + number / 100})
    rows = strata(scores, images, {"good": "gate"}).set_index(["stratum", "value"])
    assert rows.loc[("set", "urban"), "difference"] == pytest.approx(0.8, abs=0.05)
    assert rows.loc[("set", "kodak"), "difference"] == pytest.approx(0.3, abs=0.05)
    assert {value for kind, value in rows.index if kind == "sigma"} == {"15", "50"}
    assert sum(rows.loc["gradient", "images"]) == 20
    assert rows.loc[("self-similarity", "high"), "difference"] == pytest.approx(0.8, abs=0.05)
