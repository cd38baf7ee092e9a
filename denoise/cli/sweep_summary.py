"""The table that a sweep shows and writes after each of its runs."""

from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.table import Table

from denoise.results.record import write_failure
from denoise.results.sweep import write_summary
from denoise.results.tables import echo


class SweepSummary(Callback):
    """Shows the runs of a sweep so far, and writes them to summary.md and summary.csv."""

    # Of the sweep that has been announced and has not begun a run.
    empty_folder: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remember the folder, which is made before the runs are composed."""
        folder = Path(config.hydra.sweep.dir)
        used = folder.exists() and any(folder.iterdir())
        SweepSummary.empty_folder = None if used else folder

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note that the folder holds a run."""
        SweepSummary.empty_folder = None

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Record a failure like any result, then show all runs so far."""
        if job_return.hydra_cfg is None or config.hydra.mode.name != "MULTIRUN":
            return
        folder = Path(config.hydra.sweep.dir)
        if job_return.status is JobStatus.FAILED:
            overrides = list(job_return.overrides or [])
            error = job_return._return_value
            write_failure(folder / config.hydra.sweep.subdir, overrides, error)
        rows = write_summary(folder)
        table = Table(title=f"sweep {folder}", title_justify="left")
        names = list(dict.fromkeys(key for row in rows for key in row))
        for column in names:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(row.get(column, "") for column in names))
        echo(table, f"written to {folder}/summary.md and summary.csv")


def remove_empty_sweep() -> None:
    """Remove the folder of a sweep that was refused before its first run."""
    folder, SweepSummary.empty_folder = SweepSummary.empty_folder, None
    if folder is not None and folder.is_dir():
        (folder / "multirun.yaml").unlink(missing_ok=True)
        for path in (folder, *folder.parents[:2]):  # multirun/DATE/TIME
            if any(path.iterdir()):
                break
            path.rmdir()
