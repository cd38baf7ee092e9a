"""The report of a study, made from its tables alone: a page from disk, and one of the docs."""

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas

from denoise.results.html import render
from denoise.results.tables import markdown
from denoise.study import figures
from denoise.study.declaration import Study
from denoise.study.examples import EXAMPLES
from denoise.study.findings import (
    Findings,
    Tables,
    chosen_curves,
    find,
    rates_tried,
    read_tables,
    unfinished,
)
from denoise.study.verdicts import sentence

LATENCY_LABEL = "inference of 256 x 256 pixels, ms (median of interleaved timings)"
CAPTIONS = {
    "forest.png": "Differences from the control",
    "cost.png": "Quality over cost",
    "curves.png": "Learning curves: mean of the seeds, with the range between them",
    "rates.png": "Learning rates tried with the first seed",
    "ranks.png": "Critical-difference diagram over images: an illustration, seeds do not count",
    "strata.png": "Differences from the control by set, noise level and kind of image",
    EXAMPLES: "Where the best arm gains most over the control, and where it loses most",
}


def write_report(
    folder: Path, study: Study, registered: Mapping[str, Any] | None, changes: Sequence[str]
) -> Path:
    """Write report/index.html, index.md and their pictures from the tables of a study.

    Args:
        folder: Of the study.
        study: What is declared now.
        registered: What was registered before the first run.
        changes: How the two differ.

    Returns:
        Path of index.html.

    Raises:
        ValueError: If the tables do not hold an arm and its control yet.
    """
    tables = read_tables(folder)
    found, out = find(study, tables), folder / "report"
    pictures = _draw(study, tables, found, out)
    content = {
        "study": study,
        "found": found,
        "sentences": [sentence(row) for row in found.verdicts.to_dict("records")],
        "tables": _tables(found),
        "unfinished": unfinished(study, tables),
        "changes": [*changes, *_added(study)],
        "registered": registered,
        "revisions": sorted(map(str, tables.runs["git"].dropna().unique())),
        "hours": float(tables.runs["seconds"].sum() / 3600),
        "written": date.today().isoformat(),
        "captions": CAPTIONS,
        "pictures": pictures,
        "markdown": markdown,
    }
    text = render("study.md", **content).replace("&#39;", "'").replace("&#34;", '"')
    (out / "index.md").write_text(text, encoding="utf-8")
    inline = {
        name: "data:image/png;base64," + base64.b64encode((out / name).read_bytes()).decode()
        for name in pictures
    }
    page = out / "index.html"
    page.write_text(render("study.html", **content, inline=inline), encoding="utf-8")
    return page


def _added(study: Study) -> list[str]:
    return [f"{arm.name} was added after the registration." for arm in study.arms if arm.added]


def _draw(study: Study, tables: Tables, found: Findings, out: Path) -> list[str]:
    """Draw what the tables have, and return the names of the pictures in the order of the page."""
    out.mkdir(parents=True, exist_ok=True)
    figures.forest(found.verdicts, study.equivalence, study.control, out / "forest.png")
    measured = found.arms["latency"].notna().any()
    cost = ("latency", LATENCY_LABEL) if measured else ("GMACs", "GMACs at 256 x 256")
    costs = [cost, ("parameters", "parameters")]
    figures.quality_over_cost(found.arms, costs, out / "cost.png")
    drawn = ["forest.png", "cost.png"]
    curves = chosen_curves(tables, found.rung)
    if len(curves):
        figures.learning_curves(curves, found.order, out / "curves.png")
        drawn.append("curves.png")
    rates = rates_tried(study, tables)
    if len(rates):
        figures.rate_curves(rates, out / "rates.png")
        drawn.append("rates.png")
    if len(found.arms) > 2:
        rows = tables.scores[
            (tables.scores["rung"] == found.rung.name)
            & tables.scores["set"].isin(found.sets)
            & (tables.scores["sigma"] == study.choose[1])
        ]
        figures.critical_difference(rows, out / "ranks.png")
        drawn.append("ranks.png")
    if len(found.strata):
        figures.strata_map(found.strata, found.order, out / "strata.png")
        drawn.append("strata.png")
    if (out / EXAMPLES).is_file():
        drawn.append(EXAMPLES)
    return drawn


def _tables(found: Findings) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the tables of the page, by their headings."""
    verdicts = [
        {
            "arm": row["arm"], "against": row["control"], "verdict": row["verdict"],
            "difference, dB": _signed(row["difference"]),
            "95 % interval": "unknown" if pandas.isna(row["low"])
            else f"{row['low']:+.3f} to {row['high']:+.3f}",
            "p (Holm)": _p(row["p, Holm"]), "p of equivalence (Holm)":
            _p(row["p equivalence, Holm"]), "detectable, dB": "unknown" if pandas.isna(
                row["detectable"]) else f"{row['detectable']:.2f}",
            "seeds": row["seeds"], "images": row["images"],
        }
        for row in found.verdicts.to_dict("records")
    ]  # fmt: skip
    arms = [
        {
            "arm": row["arm"] + (" (control)" if row["is control"] else ""),
            "PSNR": f"{row['psnr']:.2f}", "SSIM": f"{row['ssim']:.4f}", "seeds": row["seeds"],
            "parameters": f"{row['parameters']:,.0f}", "GMACs at 256 x 256":
            f"{row['GMACs']:.2f}", "inference of 256 x 256, ms": _ms(row["latency"]),
            "training, s a step": f"{row['s a step']:.2f}",
        }
        for row in found.arms.to_dict("records")
    ]  # fmt: skip
    tables = {"Verdicts": verdicts, "Arms": arms}
    if len(found.agreement):
        name = "Agreement of the ranks between rungs (Kendall's tau)"
        tables[name] = [
            {
                "rungs": row["rungs"],
                "arms": row["arms"],
                "tau": f"{row['tau']:.2f}",
                "p": _p(row["p"]),
            }
            for row in found.agreement.to_dict("records")
        ]
    return tables


def _signed(value: float) -> str:
    return "unknown" if pandas.isna(value) else f"{value:+.3f}"


def _ms(value: float) -> str:
    return "not measured" if pandas.isna(value) else f"{value:.0f}"


def _p(value: float) -> str:
    return "unknown" if pandas.isna(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"
