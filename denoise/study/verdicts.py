"""Verdicts from the long table: which arm is better than its control, by how much, how sure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas
from scipy.stats import kendalltau
from statsmodels.stats.multitest import multipletests

from denoise.study.statistics import CONFIDENCE, Interval, two_way

BETTER, WORSE, EQUIVALENT, UNDECIDED = "better", "worse", "equivalent", "undecided"
ALPHA = 1 - CONFIDENCE
TERCILES = ("low", "middle", "high")


class Paired(NamedTuple):
    """Differences of two arms, (seeds, images), with the names of both."""

    values: np.ndarray
    seeds: list[int]
    images: list[tuple[str, str]]


class Means(NamedTuple):
    """Mean PSNR over sigmas and draws, and how many they are: images by (arm, seed)."""

    psnr: pandas.DataFrame
    count: pandas.DataFrame


def means(scores: pandas.DataFrame) -> Means:
    """Return the means of every arm, seed and image.

    Args:
        scores: Rows of one rung.
    """
    groups = scores.groupby(["set", "image", "arm", "seed"], sort=False)["psnr"]
    table = groups.agg(["mean", "size"]).unstack(["arm", "seed"])
    return Means(table["mean"], table["size"])


def paired(found: Means, arm: str, control: str) -> Paired:
    """Return the differences in dB of two arms at the same seed, image, sigmas and draws.

    Images and seeds that one of both lacks are left out.

    Args:
        found: Means of one rung.
        arm: Name of an arm.
        control: Name of the arm that it is compared with.
    """
    known = found.psnr.columns.get_level_values("arm")
    if arm not in known or control not in known:
        return Paired(np.empty((0, 0)), [], [])
    same = found.count[arm] == found.count[control]
    table = (found.psnr[arm] - found.psnr[control]).where(same)
    table = table.dropna(axis=1, how="all").dropna()
    return Paired(table.to_numpy().T, list(table.columns), list(table.index))


def compare(scores: pandas.DataFrame, pairs: Mapping[str, str], region: float) -> pandas.DataFrame:
    """Return a row for each arm: its difference from its control, interval and verdict.

    The p-values of the family are adjusted by Holm (1979), those of a difference and those of
    equivalence apart. Intervals are of one comparison each.

    Args:
        scores: Rows of one rung.
        pairs: The control of each arm, by the arm's name.
        region: Differences of less are equivalent, in dB.
    """
    rows, known = [], means(scores)
    for arm, control in pairs.items():
        found = paired(known, arm, control)
        row: dict[str, object] = {"arm": arm, "control": control, "seeds": len(found.seeds)}
        row["images"] = len(found.images)
        row |= _describe(found.values, region)
        rows.append(row)
    table = pandas.DataFrame(rows)
    if table.empty:
        return table
    for name in ("p", "p equivalence"):
        known = table[name].notna()
        table[f"{name}, Holm"] = np.nan
        if known.any():
            adjusted = multipletests(table.loc[known, name], ALPHA, method="holm")[1]
            table.loc[known, f"{name}, Holm"] = adjusted
    table["verdict"] = [
        verdict(row["difference"], row["p, Holm"], row["p equivalence, Holm"])
        for _, row in table.iterrows()
    ]
    order = table["difference"].sort_values(ascending=False, na_position="last").index
    return table.loc[order].reset_index(drop=True)


def verdict(difference: float, p: float, p_equivalence: float) -> str:
    """Return better, worse, equivalent or undecided.

    Args:
        difference: Mean difference from the control.
        p: Adjusted p-value of no difference; NaN where it is unknown.
        p_equivalence: Adjusted p-value of a difference beyond the region.
    """
    if p_equivalence < ALPHA:
        return EQUIVALENT
    if p < ALPHA:
        return BETTER if difference > 0 else WORSE
    return UNDECIDED


def sentence(row: Mapping[str, object]) -> str:
    """Return what a row of `compare` says in words."""
    arm, control, found = row["arm"], row["control"], row["verdict"]
    difference, low, high = (float(row[k]) for k in ("difference", "low", "high"))  # type: ignore[arg-type]
    count = f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}, {row['images']} images"
    if np.isnan(difference):
        return f"{arm} against {control}: not measured yet."
    if np.isnan(low):
        return f"{arm} against {control}: undecided, {difference:+.3f} dB with {count}."
    interval = f"95 % interval {low:+.3f} to {high:+.3f}; {count}"
    if found == UNDECIDED:
        after = " after Holm's correction" if low > 0 or high < 0 else ""
        return f"{arm} against {control}: undecided{after}, {difference:+.3f} dB ({interval})."
    if found == EQUIVALENT:
        return f"{arm} is equivalent to {control}: {difference:+.3f} dB ({interval})."
    return f"{arm} is {found} than {control} by {abs(difference):.3f} dB ({interval})."


def _describe(values: np.ndarray, region: float) -> dict[str, float]:
    if values.size == 0 or min(values.shape) < 2:
        mean = float(values.mean()) if values.size else float("nan")
        unknown = ("low", "high", "p", "p equivalence", "detectable")
        return {"difference": mean, **dict.fromkeys(unknown, float("nan"))}
    interval: Interval = two_way(values)
    low, high = interval.bounds()
    return {
        "difference": float(interval.mean),
        "low": float(low),
        "high": float(high),
        "p": float(interval.p_difference()),
        "p equivalence": float(interval.p_equivalence(region)),
        "detectable": float(interval.detectable()),
    }


def rank_agreement(scores: pandas.DataFrame, rungs: Sequence[str]) -> pandas.DataFrame:
    """Return Kendall's tau between the order of the arms in each rung and in the next.

    Args:
        scores: Rows of all rungs.
        rungs: Names in order.
    """
    means = scores.groupby(["rung", "arm"])["psnr"].mean().unstack("rung")
    rows = []
    for first, second in pairwise(rungs):
        if first in means and second in means:
            both = means[[first, second]].dropna()
            if len(both) > 2:
                tau = kendalltau(both[first], both[second])
                rows.append({"rungs": f"{first} and {second}", "arms": len(both),
                             "tau": float(tau.statistic), "p": float(tau.pvalue)})  # fmt: skip
    return pandas.DataFrame(rows)


def strata(
    scores: pandas.DataFrame, images: pandas.DataFrame, pairs: Mapping[str, str]
) -> pandas.DataFrame:
    """Return the difference of every arm by set, sigma, and terciles of what images are like.

    Args:
        scores: Rows of one rung.
        images: Columns set, image, gradient and self-similarity.
        pairs: The control of each arm.
    """
    joined = scores.merge(images, on=["set", "image"], how="left")
    groups = {("set", name): joined[joined["set"] == name] for name in _ordered(joined["set"])}
    for sigma in sorted(joined["sigma"].unique()):
        groups["sigma", f"{sigma:g}"] = joined[joined["sigma"] == sigma]
    for feature in ("gradient", "self-similarity"):
        values = joined.drop_duplicates(["set", "image"])[feature].dropna()
        if len(values) < len(TERCILES):
            continue
        edges = np.quantile(values, [1 / 3, 2 / 3])
        level = np.digitize(joined[feature], edges)
        for number, tercile in enumerate(TERCILES):
            chosen = joined[(level == number) & joined[feature].notna()]
            groups[feature, tercile] = chosen
    rows = []
    for (stratum, value), part in groups.items():
        known = means(part)
        for arm, control in pairs.items():
            found = paired(known, arm, control)
            described = _describe(found.values, 1.0)
            shown = {name: described[name] for name in ("difference", "low", "high")}
            key = {"stratum": stratum, "value": value, "arm": arm, "images": len(found.images)}
            rows.append(key | shown)
    return pandas.DataFrame(rows)


def _ordered(values: pandas.Series) -> list[str]:
    return list(dict.fromkeys(values))
