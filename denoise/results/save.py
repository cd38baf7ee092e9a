"""The end of a run: results.json and results.csv in its folder, its table on the terminal."""

from collections.abc import Mapping
from pathlib import Path

from denoise.evaluation.evaluate import Row, averages
from denoise.results.record import Results, Run, environment, write_results
from denoise.results.tables import echo, scores, write_csv


def save_results(
    folder: Path, rows: list[Row], run: Run, artifacts: Mapping[str, Path | str | None]
) -> Results:
    """Write the scores of a run and print their table.

    Args:
        folder: Folder of the run.
        rows: Scores from `evaluate`.
        run: What was run.
        artifacts: Paths of what else the run wrote, by name, printed below the table unless None.

    Returns:
        Content of results.json.
    """
    means = averages(rows)
    results: Results = {**run, "average": means, "images": rows, "environment": environment()}
    path = write_results(folder, results)
    write_csv(folder / "results.csv", rows)
    echo(scores(rows, means, f"protocol {run['protocol']}"))
    for name, artifact in {"results": path, **artifacts}.items():
        if artifact is not None:
            echo(f"{name:>15}  {artifact}")
    return results
