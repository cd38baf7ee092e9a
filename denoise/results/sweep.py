"""The table of a sweep, made from the results.json of its runs."""

import json
from pathlib import Path
from typing import Any

from denoise.evaluation.evaluate import METHOD
from denoise.results.record import NAME
from denoise.results.tables import markdown, write_csv


def sweep_rows(folder: Path) -> list[dict[str, Any]]:
    """Gather one row a run: overrides, scores and cost, or the error it ended with."""
    paths = sorted(folder.glob(f"*/{NAME}"), key=lambda path: (len(path.parent.name), path))
    rows = []
    for path in paths:
        record = json.loads(path.read_text())
        row = {"run": path.parent.name, "overrides": record["overrides"]}
        for mean in record.get("average", ()):
            if mean["method"] == METHOD:
                place = mean["set"] if mean["sigma"] is None else f"{mean['set']} {mean['sigma']:g}"
                row |= {f"PSNR {place}": mean["psnr"], f"SSIM {place}": mean["ssim"]}
        if "model" in record:
            row |= record["model"] | {"seconds": record["seconds"]}
        rows.append(row | ({"error": record["error"]} if "error" in record else {}))
    return rows


def write_summary(folder: Path) -> list[dict[str, str]]:
    """Write summary.csv and summary.md of a sweep's folder and return the rows as text.

    Overrides that all runs share are left out.
    """
    rows = sweep_rows(folder)
    shared = set.intersection(*(set(row["overrides"]) for row in rows)) if len(rows) > 1 else set()
    for row in rows:
        row["overrides"] = " ".join(word for word in row["overrides"] if word not in shared)
    write_csv(folder / "summary.csv", rows)
    texts = [{name: _text(name, value) for name, value in row.items()} for row in rows]
    (folder / "summary.md").write_text(markdown(texts))
    return texts


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        digits = 4 if name.startswith("SSIM") else 0 if name == "seconds" else 2
        return f"{value:.{digits}f}"
    if isinstance(value, int):
        return f"{value / 1e9:.2f} G" if name.startswith("macs") else f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")
