"""Runs of a study that were published: another folder or machine goes on from them."""

import shutil
from pathlib import Path
from typing import Any

import pandas

from denoise.plain_text import to_json
from denoise.results.record import NAME
from denoise.results.tables import write_csv
from denoise.study.runs import folder_of
from denoise.study.store import CURVES, REGISTERED, RUNS, SCORES, TABLE, Store, write_whole

TRAINING = ("steps", "images_per_second", "seconds", "val_psnr")
MODEL = ("parameters", "macs", "macs_size")
TEXT = {"rung": str, "arm": str, "image": str, "set": str, "key": str, "git": str}


def adopt(published: Path, store: Store) -> int:
    """Take the runs of a published study into a folder that lacks them, without checkpoints.

    Args:
        published: Folder that `publish` wrote; it may be missing or empty.
        store: The study's folder.

    Returns:
        Number of runs that were taken.
    """
    if not (published / RUNS).is_file():
        return 0
    runs, table, curves = (
        pandas.read_csv(path, dtype=TEXT) if path.is_file() else pandas.DataFrame()
        for path in (published / RUNS, published / f"{TABLE}.gz", published / CURVES)
    )
    if not (store.folder / REGISTERED).is_file() and (published / REGISTERED).is_file():
        shutil.copyfile(published / REGISTERED, store.folder / REGISTERED)
    taken = 0
    for row in runs[runs["error"].isna()].to_dict("records"):
        folder = store.folder / folder_of(
            row["rung"], row["arm"], row["seed"], row["rate"], row["key"]
        )
        if (folder / NAME).is_file():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        scores, points = _of(table, row), _of(curves, row)
        if len(scores):
            write_csv(folder / SCORES, scores.to_dict("records"))
        if len(points):
            csv = folder / "csv" / "metrics.csv"
            csv.parent.mkdir(exist_ok=True)
            write_csv(csv, [{"step": p.step - 1, "val/psnr": p.psnr} for p in points.itertuples()])
        content = {
            "training": {name: row[name] for name in TRAINING if name in row},
            "model": {name: row[name] for name in MODEL if name in row},
            "environment": {"git": row["git"]},
            "adopted": str(published),
        }
        write_whole(folder / NAME, to_json(content))  # last: a run with it is made
        taken += 1
    return taken


def _of(table: pandas.DataFrame, run: dict[str, Any]) -> pandas.DataFrame:
    """Return the rows of a table that belong to a run."""
    if table.empty:
        return table
    columns = ["arm", "rung", "seed", "rate"]
    return table[(table[columns] == [run[name] for name in columns]).all(axis=1)]
