"""How a measurement ends: results.json and results.csv in its folder, its table on the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denoise.evaluation.evaluate import Row, averages
from denoise.results.record import write_record
from denoise.results.tables import echo, scores, write_csv


def save_results(
    folder: Path, rows: list[Row], record: dict[str, Any], places: Mapping[str, Path | str | None]
) -> None:
    """Write and show the scores of a run.

    Args:
        folder: of the run.
        rows: from `evaluate`.
        record: what results.json holds beside the scores.
        places: what else the run left, and where, if it did; shown with the table.
    """
    means = averages(rows)
    path = write_record(folder, record | {"average": means, "images": rows})
    write_csv(folder / "results.csv", rows)
    echo(scores(rows, means, f"protocol {record['protocol']}"))
    for name, place in {"results": path, **places}.items():
        if place is not None:
            echo(f"{name:>15}  {place}")
