"""The part of a study that is kept for good: its page, its pictures, and its tables, small."""

import shutil
from pathlib import Path

import pandas

from denoise.study.store import CURVES, IMAGES, LATENCY, REGISTERED, RUNS, TABLE

DIGITS = {"psnr": 4, "ssim": 5, "seconds": 4, "gradient": 4, "self-similarity": 4}


def publish(folder: Path, target: Path) -> list[Path]:
    """Copy the report and the tables of a study; the report can be made from the copy again.

    Args:
        folder: Of the study.
        target: Folder such as docs/study/NAME; made where it is missing.

    Returns:
        Paths that were written.
    """
    target.mkdir(parents=True, exist_ok=True)
    written = []
    report = folder / "report"
    for source in [report / "index.md", *sorted(report.glob("*.png")), folder / REGISTERED]:
        if source.is_file():
            written.append(Path(shutil.copyfile(source, target / source.name)))
    for name in (TABLE, RUNS, CURVES, IMAGES, LATENCY):
        if (folder / name).is_file() and (folder / name).stat().st_size > 2:
            table = pandas.read_csv(folder / name, dtype={"rung": str, "arm": str, "image": str})
            path = target / (f"{name}.gz" if name == TABLE else name)
            # Without a time within the archive, so that the same table is the same file.
            compression = {"method": "gzip", "mtime": 0} if name == TABLE else None
            table.round(DIGITS).to_csv(path, index=False, compression=compression)
            written.append(path)
    return written
