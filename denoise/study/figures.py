"""Figures of a study, drawn from its tables with matplotlib."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas
import scikit_posthocs
from adjustText import adjust_text
from matplotlib import pyplot
from scipy.stats import rankdata

from denoise.study.verdicts import BETTER, EQUIVALENT, UNDECIDED, WORSE

matplotlib.use("Agg")
COLOURS = {BETTER: "#1b7837", WORSE: "#c1272d", EQUIVALENT: "#2166ac", UNDECIDED: "#777777"}
CONTROL = "#000000"
PALETTE = pyplot.get_cmap("tab20").colors  # type: ignore[attr-defined]
DPI = 130


def forest(rows: pandas.DataFrame, region: float, control: str, path: Path) -> None:
    """Draw the difference of every arm from its control with its interval.

    Args:
        rows: From `compare`.
        region: Of equivalence, in dB.
        control: Label of what it is compared with.
        path: Of the picture.
    """
    known = rows.dropna(subset=["difference"]).iloc[::-1].reset_index(drop=True)
    figure, axis = pyplot.subplots(figsize=(8, 1.7 + 0.3 * len(known)), layout="constrained")
    axis.axvspan(-region, region, color=COLOURS[EQUIVALENT], alpha=0.12, lw=0)
    axis.axvline(0, color=CONTROL, lw=0.8)
    for height, row in known.iterrows():
        colour = COLOURS[row["verdict"]]
        if not np.isnan(row["low"]):
            axis.plot([row["low"], row["high"]], [height, height], color=colour, lw=2)
        axis.plot(row["difference"], height, "o", color=colour, ms=6)
    axis.set_yticks(range(len(known)), known["arm"])
    spread = max(known["difference"].abs().max(), region) * 2.5  # wide intervals leave the picture
    ends = known[["low", "high"]].abs().max().max()
    axis.set_xlim(*(np.array([-1, 1]) * min(spread, np.nanmax([ends, spread / 2]) * 1.05)))
    axis.set_xlabel(f"PSNR minus that of {control}, dB; 95 % intervals; shaded: equivalent")
    axis.grid(axis="x", alpha=0.25)
    handles = [pyplot.Line2D([], [], color=c, marker="o", label=v) for v, c in COLOURS.items()]
    figure.legend(handles=handles, fontsize=8, loc="outside upper center", ncols=4)
    _save(figure, path)


def pareto_front(costs: Sequence[float], psnr: Sequence[float]) -> list[tuple[float, float]]:
    """Return the points that no other beats in one and equals in the other, by rising cost.

    Args:
        costs: Of each point.
        psnr: In dB, likewise.
    """
    front: list[tuple[float, float]] = []
    for cost, value in sorted(zip(costs, psnr, strict=True), key=lambda one: (one[0], -one[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def quality_over_cost(arms: pandas.DataFrame, costs: Sequence[tuple[str, str]], path: Path) -> None:
    """Draw PSNR over each cost, with the front of the arms that no other beats in both.

    Args:
        arms: Columns arm, psnr, is control, and the costs.
        costs: Columns with their labels.
        path: Of the picture.
    """
    width = 7.5 * len(costs)
    figure, axes = pyplot.subplots(1, len(costs), figsize=(width, 6.5), layout="constrained")
    for axis, (column, label) in zip(np.atleast_1d(axes), costs, strict=True):
        known = arms.dropna(subset=[column, "psnr"]).sort_values([column, "psnr"])
        front = pareto_front(known[column], known["psnr"])
        # Far below the others an arm would press them into a corner: it stands at the border.
        floor = known["psnr"].max() - max(0.5, 5 * (known["psnr"].max() - known["psnr"].median()))
        texts = []
        for _, row in known.iterrows():
            colour = CONTROL if row["is control"] else "#2166ac"
            on_front, far = (row[column], row["psnr"]) in front, row["psnr"] < floor
            marker = "v" if far else "s" if row["is control"] else "o"
            point = row[column], max(row["psnr"], floor)
            axis.plot(*point, marker, color=colour, ms=6, mfc=colour if on_front else "white")
            name = f"{row['arm']} ({row['psnr']:.2f})" if far else row["arm"]
            texts.append(axis.text(*point, name, fontsize=7.5))
        axis.set(xlabel=label, ylabel="PSNR, dB")
        if known[column].max() > 4 * known[column].min():
            axis.set_xscale("log")
        axis.margins(x=0.15, y=0.08)
        axis.set_ylim(axis.get_ylim())  # of the points, before the line to one far below
        axis.plot(*zip(*front, strict=True), color="#e08214", lw=1.2, drawstyle="steps-post")
        axis.grid(alpha=0.25, which="both")
        adjust_text(texts, ax=axis, arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "#777777"})
    figure.legend(
        handles=[
            pyplot.Line2D([], [], color="#2166ac", marker="o", ls="", label="arm"),
            pyplot.Line2D([], [], color=CONTROL, marker="s", ls="", label="control"),
            pyplot.Line2D([], [], color="#e08214", label="Pareto front (filled)"),
        ],
        fontsize=8, loc="outside lower center", ncols=3,
    )  # fmt: skip
    _save(figure, path)


def learning_curves(curves: pandas.DataFrame, order: Sequence[str], path: Path) -> None:
    """Draw the validation over the training steps, the seeds as bands.

    Args:
        curves: Columns arm, seed, step and psnr, at the chosen learning rates.
        order: Arms from the best to the worst.
        path: Of the picture.
    """
    figure, axis = pyplot.subplots(figsize=(8, 5.5), layout="constrained")
    for number, arm in enumerate(order):
        table = curves[curves["arm"] == arm].pivot_table(
            index="step", columns="seed", values="psnr", aggfunc="last"
        )
        if table.empty:
            continue
        colour = PALETTE[number % len(PALETTE)]
        style = "-" if number < len(PALETTE) else "--"
        axis.plot(table.index, table.mean(axis=1), style, color=colour, lw=1.5, label=arm)
        axis.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour,
                          alpha=0.12, lw=0)  # fmt: skip
    low = curves.groupby("arm")["psnr"].max().min()
    axis.set_ylim(bottom=low - 1.5)
    axis.set(xlabel="optimizer steps", ylabel="validation PSNR, dB")
    axis.grid(alpha=0.25)
    figure.legend(fontsize=7, loc="outside right upper")
    _save(figure, path)


def rate_curves(rates: pandas.DataFrame, path: Path) -> None:
    """Draw the validation over the factor on the learning rate, one line an arm.

    Args:
        rates: Columns arm, rate and psnr.
        path: Of the picture.
    """
    figure, axis = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for number, (arm, part) in enumerate(rates.groupby("arm", sort=False)):
        line = part.sort_values("rate")
        colour = PALETTE[number % len(PALETTE)]
        axis.plot(line["rate"], line["psnr"], ".-", color=colour, lw=1.2, label=arm)
        best = line.loc[line["psnr"].idxmax()]
        axis.plot(best["rate"], best["psnr"], "o", color=colour, ms=7)
    tried = sorted(rates["rate"].unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(tried, [f"{rate:g}" for rate in tried])
    axis.set(xlabel="factor on the learning rate (dot: chosen)", ylabel="validation PSNR, dB")
    axis.grid(alpha=0.25)
    figure.legend(fontsize=7, loc="outside right upper")
    _save(figure, path)


def critical_difference(scores: pandas.DataFrame, path: Path) -> None:
    """Draw the mean ranks of the arms over images, joined where Nemenyi's test sees no difference.

    An illustration (Demsar 2006): it does not know that seeds differ.

    Args:
        scores: Columns arm, set, image and psnr.
        path: Of the picture.
    """
    table = scores.groupby(["set", "image", "arm"])["psnr"].mean().unstack("arm").dropna()
    ranks = rankdata(-table.to_numpy(), axis=1).mean(0)
    p = scikit_posthocs.posthoc_nemenyi_friedman(table.to_numpy())
    p.index = p.columns = table.columns
    figure, axis = pyplot.subplots(figsize=(9, 1.5 + 0.16 * len(ranks)), layout="constrained")
    scikit_posthocs.critical_difference_diagram(
        dict(zip(table.columns, ranks, strict=True)), p, ax=axis,
        label_props={"fontsize": 8}, text_h_margin=0.02,
    )  # fmt: skip
    _save(figure, path)


def strata_map(rows: pandas.DataFrame, order: Sequence[str], path: Path) -> None:
    """Draw the differences from the control by stratum, as numbers on colours.

    Args:
        rows: From `strata`.
        order: Arms from the best to the worst.
        path: Of the picture.
    """
    rows = rows.assign(column=rows["stratum"] + "\n" + rows["value"])
    table = rows.pivot_table(index="arm", columns="column", values="difference", sort=False)
    table = table.reindex([arm for arm in order if arm in table.index])
    figure, axis = pyplot.subplots(
        figsize=(2 + 0.95 * table.shape[1], 1.4 + 0.3 * len(table)), layout="constrained"
    )
    limit = np.nanmax(np.abs(table.to_numpy())) or 1.0
    axis.imshow(table, cmap="RdYlGn", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if not np.isnan(value):
            axis.text(column, row, f"{value:+.2f}", ha="center", va="center", fontsize=8)
    labels = [textwrap.fill(name, 12, replace_whitespace=False) for name in table.columns]
    axis.set_xticks(range(table.shape[1]), labels, fontsize=8)
    axis.set_yticks(range(len(table)), table.index, fontsize=8)
    axis.set_title("PSNR minus that of the control, dB", fontsize=10)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)
