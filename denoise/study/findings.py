"""What the tables of a study show: the rung, the sets, the arms in order, their costs."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas

from denoise.study.claims import Outcome, outcomes
from denoise.study.declaration import Rung, Study
from denoise.study.store import CURVES, IMAGES, LATENCY, RUNS, TABLE
from denoise.study.verdicts import compare, rank_agreement, strata


class Tables(NamedTuple):
    """The long table of scores, and those of runs, validations, images and latencies."""

    scores: pandas.DataFrame
    runs: pandas.DataFrame
    curves: pandas.DataFrame
    images: pandas.DataFrame
    latency: pandas.DataFrame


class Findings(NamedTuple):
    """Everything that a report shows.

    Attributes:
        rung: The last one with an arm and its control.
        sets: Sets that chose nothing.
        verdicts: From `compare`.
        arms: A row an arm: PSNR, costs.
        claims: Outcomes.
        agreement: Kendall's tau between rungs.
        strata: Differences by stratum.
        best: Best arm that is no control, on the images that choose; None if there is none yet.
        order: Arms from the best to the worst.
    """

    rung: Rung
    sets: list[str]
    verdicts: pandas.DataFrame
    arms: pandas.DataFrame
    claims: list[Outcome]
    agreement: pandas.DataFrame
    strata: pandas.DataFrame
    best: str | None
    order: list[str]


def read_tables(folder: Path) -> Tables:
    """Read the tables of a study.

    Raises:
        ValueError: If there are none yet.
    """
    frames = []
    for name in (TABLE, RUNS, CURVES, IMAGES, LATENCY):
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        exists = bool(found) and found[0].stat().st_size > 2
        if name == TABLE and not exists:
            raise ValueError(f"{folder} holds no scores yet: run the study first")
        types = {"seed": int, "rung": str, "arm": str, "image": str}
        frames.append(pandas.read_csv(found[0], dtype=types) if exists else pandas.DataFrame())
    return Tables(*frames)


def find(study: Study, tables: Tables) -> Findings:
    """Return what the tables show by now.

    Raises:
        ValueError: If no rung has an arm and its control.
    """
    pairs = {arm.name: c.name for arm in study.arms if (c := study.control_of(arm)) is not None}
    rung = _last_rung(study, tables.scores, pairs)
    scores = tables.scores[tables.scores["rung"] == rung.name]
    choose_set, sigma = study.choose
    unseen = [name for name in dict.fromkeys(scores["set"]) if name != choose_set]
    sets = unseen or [choose_set]
    tested = scores[scores["set"].isin(sets)]
    primary = tested[tested["sigma"] == sigma]
    measured = [arm.name for arm in study.arms if arm.name in set(primary["arm"])]
    pairs = {arm: c for arm, c in pairs.items() if arm in measured and c in measured}
    chosen = scores[(scores["set"] == choose_set) & (scores["sigma"] == sigma)]
    ranked = chosen.groupby("arm")["psnr"].mean().sort_values(ascending=False)
    free = [a.name for a in study.arms if not study.is_control(a) and a.name in ranked.index]
    best = next((name for name in ranked.index if name in free), None)
    arms = _arms(study, primary, tables, rung)
    return Findings(
        rung=rung,
        sets=sets,
        verdicts=compare(primary, pairs, study.equivalence),
        arms=arms,
        claims=outcomes(study.claims, primary, best, study.equivalence),
        agreement=rank_agreement(
            tables.scores[(tables.scores["set"] == choose_set) & (tables.scores["sigma"] == sigma)],
            [one.name for one in study.rungs],
        ),
        strata=strata(tested, tables.images, pairs) if len(tables.images) else pandas.DataFrame(),
        best=best,
        order=list(arms["arm"]),
    )


def chosen_curves(tables: Tables, rung: Rung) -> pandas.DataFrame:
    """Return the validations of the runs whose scores are compared."""
    used = tables.scores[["arm", "rung", "seed", "rate"]].drop_duplicates()
    used = used[used["rung"] == rung.name]
    if tables.curves.empty:
        return tables.curves
    return tables.curves.merge(used, on=["arm", "rung", "seed", "rate"])


def rates_tried(study: Study, tables: Tables) -> pandas.DataFrame:
    """Return the validation of every learning rate that was tried with the first seed."""
    first, runs = study.rungs[0], tables.runs
    if "val_psnr" not in runs:
        return pandas.DataFrame()
    rows = runs[(runs["rung"] == first.name) & (runs["seed"] == first.seeds[0])]
    rows = rows.rename(columns={"val_psnr": "psnr"}).dropna(subset=["psnr"])
    several = rows.groupby("arm")["rate"].transform("nunique") > 1
    return rows.loc[several, ["arm", "rate", "psnr"]]


def unfinished(study: Study, tables: Tables) -> list[str]:
    """Return sentences on what the study declares and has not, and on what failed."""
    sentences = []
    for rung in study.rungs:
        rows = tables.scores[tables.scores["rung"] == rung.name]
        scored = {(arm, seed) for arm, seed in rows[["arm", "seed"]].drop_duplicates().to_numpy()}
        if not scored:
            sentences.append(f"Rung {rung.name} ({rung.steps} steps) has not begun.")
        elif rung == study.rungs[0] or rung.keep is None:
            wanted = len(study.arms) * len(rung.seeds)
            if len(scored) < wanted:
                sentences.append(f"Rung {rung.name}: {len(scored)} of {wanted} runs are scored.")
        else:
            arms = len({arm for arm, _ in scored})
            sentences.append(f"Rung {rung.name}: {len(scored)} runs of {arms} arms are scored.")
    tried = rates_tried(study, tables)
    count = tried["arm"].nunique() if len(tried) else 0
    if len(study.rates) > 1 and count < len(study.arms):
        sentences.append(
            f"Learning rates beside the declared one were tried for {count} of "
            f"{len(study.arms)} arms in rung {study.rungs[0].name}."
        )
    if "error" in tables.runs:
        for _, row in tables.runs.dropna(subset=["error"]).iterrows():
            sentences.append(f"{row['arm']}, seed {row['seed']}, failed: {row['error']}")
    return sentences


def _last_rung(study: Study, scores: pandas.DataFrame, pairs: dict[str, str]) -> Rung:
    for rung in reversed(study.rungs):
        arms = set(scores.loc[scores["rung"] == rung.name, "arm"])
        if any(arm in arms and control in arms for arm, control in pairs.items()):
            return rung
    raise ValueError(f"{study.control}, the control, and another arm are not scored yet")


def _arms(study: Study, primary: pandas.DataFrame, tables: Tables, rung: Rung) -> pandas.DataFrame:
    """Return a row an arm, the best first: PSNR, SSIM, and what it costs.

    The latency is unknown where it was not measured: the seconds of the scoring are those of a
    machine that had other work.
    """
    runs = tables.runs
    latency = dict(tables.latency[["variant", "ms"]].to_numpy()) if len(tables.latency) else {}
    controls = {arm.name for arm in study.arms if study.is_control(arm)}
    rows: list[dict[str, Any]] = []
    for arm, part in primary.groupby("arm", sort=False):
        own = runs[(runs["arm"] == arm) & (runs["rung"] == rung.name)]
        rows.append({
            "arm": arm, "psnr": part["psnr"].mean(), "ssim": part["ssim"].mean(),
            "seeds": part["seed"].nunique(),
            "parameters": own["parameters"].max(), "GMACs": own["macs"].max() / 1e9,
            "latency": latency.get(arm, float("nan")),
            "s a step": (own["seconds"] / own["steps"]).median(),
            "is control": arm in controls,
        })  # fmt: skip
    return pandas.DataFrame(rows).sort_values("psnr", ascending=False).reset_index(drop=True)
