"""Tables of results for the terminal, for spreadsheets and for markdown."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from denoise.evaluation.complexity import Complexity
from denoise.evaluation.evaluate import Mean, Row
from denoise.plain_text import to_cell, utf8


def scores(rows: Sequence[Row], means: Sequence[Mean], title: str) -> Table:
    """Return a table of the scores of each image, and their means, one column a method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    table = Table(title=title, title_justify="left")
    table.add_column("image")
    for method in methods:
        table.add_column(f"{method}\nPSNR  SSIM", justify="right")
    for name, sigma in dict.fromkeys((mean["set"], mean["sigma"]) for mean in means):
        lines: dict[str, dict[str, str]] = {}
        labelled: list[tuple[str, Row | Mean]] = [(utf8(row["image"]), row) for row in rows]
        labelled += [(f"average of {mean['images']}", mean) for mean in means]
        for label, row in labelled:
            if (row["set"], row["sigma"]) == (name, sigma):
                cell = f"{row['psnr']:.2f}  {row['ssim']:.4f}"
                lines.setdefault(label, {})[row["method"]] = cell
        table.add_section()
        table.add_row(name if sigma is None else f"{name}, sigma {sigma:g}", style="italic")
        for label, cells in lines.items():
            table.add_row(label, *(cells.get(method, "") for method in methods))
    return table


def complexity_texts(model: Complexity) -> dict[str, str]:
    """Return the parameters and the multiply-accumulates of a model as labelled texts."""
    size = model["macs_size"]
    return {
        "parameters": f"{model['parameters']:,}",
        f"MACs at {size}x{size}": giga(model["macs"]),
    }


def giga(count: int) -> str:
    """Format a count in units of 10^9."""
    return f"{count / 1e9:.2f} G"


def echo(*items: Any) -> None:
    """Print to the terminal, brackets as they are; elsewhere tables are 160 characters wide."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 160
    for item in items:
        text = utf8(item) if isinstance(item, str) else item
        console.print(text, soft_wrap=isinstance(item, str))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, whose keys may differ, as comma-separated values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows({key: to_cell(value) for key, value in row.items()} for row in rows)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a markdown table, floats with three digits."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row.get(name, "")) for name in names] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
