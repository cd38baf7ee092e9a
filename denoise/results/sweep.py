"""The table of a sweep, from the results.json of its runs."""

import json
from pathlib import Path
from typing import Any

from denoise.evaluation.evaluate import METHOD
from denoise.results.record import NAME
from denoise.results.tables import giga, markdown, write_csv


def sweep_rows(folder: Path) -> list[dict[str, Any]]:
    """Return one row a run: its overrides, and its scores and complexity or the error it met."""
    paths = sorted(folder.glob(f"*/{NAME}"), key=lambda path: (len(path.parent.name), path))
    rows = []
    for path in paths:
        results = json.loads(path.read_text())
        row = {"run": path.parent.name, "overrides": results["overrides"]}
        for mean in results.get("average", ()):
            if mean["method"] == METHOD:
                level = "" if mean["sigma"] is None else f" {mean['sigma']:g}"
                row[f"PSNR {mean['set']}{level}"] = mean["psnr"]
                row[f"SSIM {mean['set']}{level}"] = mean["ssim"]
        if "model" in results:
            row |= results["model"] | {"seconds": results["seconds"]}
        rows.append(row | ({"error": results["error"]} if "error" in results else {}))
    return rows


def write_summary(folder: Path) -> list[dict[str, str]]:
    """Write summary.csv and summary.md of a sweep's folder and return the rows as text.

    Overrides that all runs share are left out.
    """
    rows = sweep_rows(folder)
    shared = set.intersection(*(set(row["overrides"]) for row in rows)) if len(rows) > 1 else set()
    for row in rows:
        row["overrides"] = " ".join(
            override for override in row["overrides"] if override not in shared
        )
    write_csv(folder / "summary.csv", rows)
    texts = [{name: _text(name, value) for name, value in row.items()} for row in rows]
    (folder / "summary.md").write_text(markdown(texts))
    return texts


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        digits = 4 if name.startswith("SSIM") else 0 if name == "seconds" else 2
        return f"{value:.{digits}f}"
    if isinstance(value, int):
        return giga(value) if name == "macs" else f"{value:,}"
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
