"""The claims that a study declares before its first run, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas

from denoise.study.statistics import contrast, two_way
from denoise.study.verdicts import ALPHA, UNDECIDED, Paired, means, paired, verdict

HOLDS, REFUTED, OPEN = "holds", "does not hold", UNDECIDED
BEST = "best"  # the arm that is best on the images that choose
EXPECTED = ("better", "worse", "equivalent")


class Outcome(NamedTuple):
    """A claim with its outcome, and the figures in words."""

    claim: str
    outcome: str
    figures: str


def outcomes(
    claims: Sequence[Mapping[str, Any]],
    scores: pandas.DataFrame,
    best: str | None,
    region: float,
) -> list[Outcome]:
    """Return the outcome of every claim; p-values are those of one comparison each.

    Args:
        claims: Each with a text, `arm` (or best), `over` (an arm) and `expect` (better, worse or
            equivalent); or with `more_on`, two sets, for a difference that is larger on the first.
        scores: Rows of the rung, of the images that chose nothing.
        best: Arm that is the best on the images that choose; None before there is one.
        region: Of equivalence, in dB.
    """
    known, found = means(scores), []
    for claim in claims:
        arm = best if claim["arm"] == BEST else claim["arm"]
        if arm is None:
            found.append(Outcome(claim["text"], OPEN, "nothing but controls is measured yet"))
            continue
        pair = paired(known, arm, claim["over"])
        name = f"{arm} against {claim['over']}"
        if pair.values.size == 0 or min(pair.values.shape) < 2:
            found.append(Outcome(claim["text"], OPEN, f"{name}: not measured with two seeds yet"))
        elif "more_on" in claim:
            found.append(_contrast(claim, pair, name))
        else:
            found.append(_difference(claim, pair, name, region))
    return found


def _difference(claim: Mapping[str, Any], pair: Paired, name: str, region: float) -> Outcome:
    interval = two_way(pair.values)
    seen = verdict(
        float(interval.mean), float(interval.p_difference()), float(interval.p_equivalence(region))
    )
    outcome = HOLDS if seen == claim["expect"] else OPEN if seen == UNDECIDED else REFUTED
    low, high = interval.bounds()
    figures = f"{name}: {seen}, {float(interval.mean):+.3f} dB (95 % interval {low:+.3f} to "
    return Outcome(claim["text"], outcome, f"{figures}{high:+.3f}; {len(pair.seeds)} seeds)")


def _contrast(claim: Mapping[str, Any], pair: Paired, name: str) -> Outcome:
    parts = []
    for chosen in claim["more_on"]:
        columns = [n for n, (set_name, _) in enumerate(pair.images) if set_name == chosen]
        parts.append(pair.values[:, columns])
    if min(part.shape[1] for part in parts) < 2:
        return Outcome(claim["text"], OPEN, f"{name}: two images of each set are needed")
    interval = contrast(*parts)
    low, high = interval.bounds()
    sure = interval.p_difference() < ALPHA
    outcome = OPEN if not sure else HOLDS if interval.mean > 0 else REFUTED
    first, second = claim["more_on"]
    figures = f"{name}, {first} minus {second}: {float(interval.mean):+.3f} dB (95 % interval "
    return Outcome(claim["text"], outcome, f"{figures}{low:+.3f} to {high:+.3f})")
