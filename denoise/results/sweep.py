"""The table of a sweep, from the results.json of its runs."""

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t as student_t

from denoise.evaluation.evaluate import METHOD
from denoise.results.record import NAME
from denoise.results.tables import giga, markdown, write_csv

CONFIDENCE = 0.95
LATENCY, SECONDS = "ms an image", "training seconds"
BEST = " (best)"
# Columns that seeds and machines change: gathered as a mean.
_MEASURED = re.compile(rf"(PSNR|SSIM) .*|{LATENCY}|{SECONDS}")


def sweep_rows(folder: Path) -> list[dict[str, Any]]:
    """Return one row a run: its overrides, and its scores and cost or the error it met."""
    rows = []
    for path in sorted(folder.glob(f"*/{NAME}"), key=_by_number):
        results = json.loads(path.read_text())
        row = {"run": path.parent.name, "overrides": results["overrides"]}
        for mean in results.get("average", ()):
            if mean["method"] == METHOD:
                level = "" if mean["sigma"] is None else f" {mean['sigma']:g}"
                for metric in ("psnr", "ssim"):  # null where it is not finite
                    value = math.nan if mean[metric] is None else mean[metric]
                    row[f"{metric.upper()} {mean['set']}{level}"] = value
        if "model" in results:
            row |= results["model"]
            times = [
                image["seconds"]
                for image in results.get("images", ())
                if image["method"] == METHOD and "seconds" in image
            ]
            if times:
                row[LATENCY] = 1e3 * statistics.median(times)  # the first of them warms up
            row[SECONDS] = results.get("training", results)["seconds"]
        rows.append(row | ({"error": results["error"]} if "error" in results else {}))
    return rows


def gather_seeds(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for the runs that differ in their seed alone, the best PSNR first.

    A PSNR of several seeds stands with its standard deviation, and with the half width of the 95 %
    confidence interval of the mean by Student's t. Runs without scores come last.
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        same = [override for override in row["overrides"] if not override.startswith("seed=")]
        # A failed run stands alone: it has no scores to average.
        key = (*same, row["run"]) if "error" in row else tuple(same)
        groups.setdefault(key, []).append(row)
    gathered = [_gather(runs) for runs in groups.values()]
    score = next((name for row in rows for name in row if name.startswith("PSNR ")), "")
    return sorted(gathered, key=lambda row: _rank(row.get(score, -math.inf)))


def _rank(psnr: float) -> float:
    return math.inf if math.isnan(psnr) else -psnr


def _gather(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = dict(runs[0]) | {"run": ", ".join(_number(run["run"]) for run in runs)}
    if len(runs) == 1:
        return first
    first["overrides"] = [o for o in first["overrides"] if not o.startswith("seed=")]
    row: dict[str, Any] = {}
    for name, value in first.items():
        if not _MEASURED.fullmatch(name):
            row[name] = value
            continue
        values = [run[name] for run in runs]
        row[name] = statistics.fmean(values)
        if name.startswith("PSNR "):
            row[f"deviation {name[5:]}"] = statistics.stdev(values)
            row[f"95 % interval {name[5:]}"] = half_width(values)
    return row | {"seeds": len(runs)}


def half_width(values: Sequence[float]) -> float:
    """Return the half width of the confidence interval of the mean, by Student's t."""
    quantile = float(student_t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def write_summary(folder: Path) -> list[dict[str, str]]:
    """Write summary.csv and summary.md of a sweep's folder and return the rows of the latter.

    summary.csv has a row a run, summary.md gathers the seeds. Overrides that all runs share are
    left out.
    """
    rows = sweep_rows(folder)
    shared = set.intersection(*(set(row["overrides"]) for row in rows)) if len(rows) > 1 else set()
    for row in rows:
        row["overrides"] = [override for override in row["overrides"] if override not in shared]
    write_csv(folder / "summary.csv", [row | {"overrides": _joined(row)} for row in rows])
    gathered = gather_seeds(rows)
    texts = [
        {name: _text(name, value) for name, value in (row | {"overrides": _joined(row)}).items()}
        for row in gathered
    ]
    _mark_best(gathered, texts)
    (folder / "summary.md").write_text(markdown(texts))
    return texts


def _mark_best(rows: Sequence[Mapping[str, Any]], texts: Sequence[dict[str, str]]) -> None:
    """Mark the highest score and the lowest latency of their columns, where there are several."""
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if name in row]
        if len(values) < 2 or not (name.startswith(("PSNR ", "SSIM ")) or name == LATENCY):
            continue
        best = min(values) if name == LATENCY else min(values, key=_rank)
        for row, text in zip(rows, texts, strict=True):
            if row.get(name) == best:
                text[name] += BEST


def _by_number(path: Path) -> tuple[int, str]:
    number = _number(path.parent.name)
    return int(number) if number.isdigit() else -1, number


def _number(folder: str) -> str:
    """Return the number of a run in a sweep, from a folder such as 2_norm=dyt; else its name."""
    number = folder.partition("_")[0]
    return number if number.isdigit() else folder


def _joined(row: Mapping[str, Any]) -> str:
    return " ".join(row["overrides"])


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        digits = 4 if name.startswith("SSIM") else 0 if name == SECONDS else 2
        sign = "± " if "interval" in name else ""
        return f"{sign}{value:.{digits}f}"
    if isinstance(value, int):
        return giga(value) if name == "macs" else f"{value:,}"
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
