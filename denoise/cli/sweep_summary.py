"""The table that a sweep shows and writes after each of its runs."""

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.table import Table

from denoise.results.record import write_failure
from denoise.results.sweep import write_summary
from denoise.results.tables import echo


class SweepSummary(Callback):
    """Shows the runs of a sweep so far, and writes them to summary.md and summary.csv."""

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
