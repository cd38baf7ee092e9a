"""Tables of results for the terminal, for spreadsheets and for markdown."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def scores(rows: Sequence[dict[str, Any]], means: Sequence[dict[str, Any]], title: str) -> Table:
    """Lay out the scores of each image, and the averages, one column a method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    table = Table(title=title, title_justify="left")
    table.add_column("image")
    for method in methods:
        table.add_column(f"{method}\nPSNR  SSIM", justify="right")
    places = list(dict.fromkeys((row["set"], row["sigma"]) for row in means))
    for place in places:
        groups: dict[str, dict[str, str]] = {}
        for row in (*rows, *means):
            if (row["set"], row["sigma"]) == place:
                image = row["image"] if "image" in row else f"average of {row['images']}"
                cell = f"{row['psnr']:.2f}  {row['ssim']:.4f}"
                groups.setdefault(image, {})[row["method"]] = cell
        sigma = "" if place[1] is None else f", sigma {place[1]:g}"
        table.add_section()
        table.add_row(f"{place[0]}{sigma}", style="italic")
        for image, cells in groups.items():
            table.add_row(image, *(cells.get(method, "") for method in methods))
    return table


def echo(*items: Any) -> None:
    """Print to the terminal, brackets as they are; tables keep their width where there is none."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 160
    for item in items:
        console.print(item, soft_wrap=isinstance(item, str))


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, whose keys may differ, as a spreadsheet."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Lay out rows as a markdown table, floats with three digits."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row.get(name, "")) for name in names] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
