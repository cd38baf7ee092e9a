"""Execution of a study's runs: each in a process of its own, one worker or several at once.

Workers share a folder. Each run is locked while it is made; the lock belongs to the training
process too, so that one that outlives its worker is not started twice.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # on Windows, where a folder has one worker
    fcntl = None  # type: ignore[assignment]

from denoise.results.record import NAME
from denoise.study.runs import Planner, Progress, Run
from denoise.study.store import BEST, CONSTANT, LAST, SCORES, ScoreRow, Store
from denoise.weights.load import load_checkpoint
from denoise.weights.read import CheckpointError

WAIT = 5.0  # seconds between looks at runs that other workers make
GRACE = 30.0  # seconds for a training to save a checkpoint
ENDED = (signal.SIGINT, signal.SIGTERM)
SAVE_EVERY = 50  # steps
VALIDATIONS = 5  # in a run

Score = Callable[[Run, Path], list[ScoreRow]]


class Worker:
    """Makes the runs of a study, one after the other.

    Args:
        planner: Enumerates them.
        store: Keeps what they leave.
        score: Scores the checkpoint of a run.
        threads: Of a training process.
        options: Further overrides of denoise train that change no weights, such as data_dir.
        arms: Names of those whose runs are made; None: all.
        say: Prints a line on what is done.
        train: Command of a training, without its overrides.
    """

    def __init__(
        self,
        planner: Planner,
        store: Store,
        score: Score,
        *,
        threads: int,
        options: Sequence[str],
        say: Callable[[str], None],
        arms: Sequence[str] | None = None,
        train: Sequence[str] = (sys.executable, "-m", "denoise.cli.train"),
    ) -> None:
        self.planner, self.store, self.score = planner, store, score
        self.threads, self.options, self.say, self.train = threads, options, say, train
        self.arms = None if arms is None else set(arms)

    def work(self, limit: int | None, after: Callable[[], None] = lambda: None) -> int:
        """Make runs until all are made.

        Args:
            limit: Number of runs to make at most.
            after: Called after each.

        Returns:
            Number of runs that this worker made.

        Raises:
            ValueError: If a run fails before any has succeeded: all would, as without images.
        """
        count = 0
        while limit is None or count < limit:
            open_runs = self.open_runs(self.progress())
            if not open_runs:
                break
            for run in open_runs:
                with _lock(self.store.of(run)) as lock:
                    if lock is not None and not self._is_done(run):
                        self._make(run, lock)
                        count += 1
                        after()
                        break
            else:
                time.sleep(WAIT)  # other workers make them
        return count

    def progress(self) -> Progress:
        """Return what is known of the runs."""
        return self.store.progress(self.planner.study.choose)

    def open_runs(self, progress: Progress) -> list[Run]:
        """Return the runs that are to be trained or scored by now, in order."""
        runs = {run.key: run for run in self.planner.known(progress)}
        return [
            run
            for run in runs.values()
            if self.arms is None or run.arm.name in self.arms
            if run.key not in progress.validation
            or (run.key not in progress.chosen and self._is_analysed(run, progress))
        ]

    def _is_analysed(self, run: Run, progress: Progress) -> bool:
        return (self.planner.rate(run.arm, progress) or 1) == run.rate

    def _is_done(self, run: Run) -> bool:
        """Return whether another worker has just made a run."""
        return run.key not in {one.key for one in self.open_runs(self.progress())}

    def _make(self, run: Run, lock: int) -> None:
        begun = time.perf_counter()
        self.say(f"{run.rung.name} {run.arm.name}, seed {run.seed}, rate {run.rate:g}")
        try:
            best = self.store.of(run) / BEST
            # A run that was taken from published tables may lack what is to be scored now.
            if self.store.trained(run) is None or not best.is_file():
                self._train(run, lock)
            if self._is_analysed(run, self.progress()):
                self.store.save_scores(run, self.score(run, best))
        except Exception as error:  # of one run: a row of the table, not the end of the study
            if all(value is None for value in self.progress().validation.values()):
                raise ValueError(f"the first run failed, so the study ends: {error}") from error
            self.store.fail(run, f"{type(error).__name__}: {error}")
            self.say(f"  failed: {error}")
            return
        values = self.progress().validation[run.key]
        self.say(f"  validation {values:.3f} dB, {time.perf_counter() - begun:.0f} s")

    def _train(self, run: Run, lock: int) -> None:
        """Train to the end, from the last checkpoint of a run that was broken off.

        Raises:
            RuntimeError: With the last line of its output, if it fails.
        """
        folder = self.store.of(run)
        command = [*self.train, *run.overrides, *self.options]
        command += _own_options(run, folder, self._checkpoint(run))
        threads = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}
        with (folder / "output.txt").open("ab") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=os.environ | threads, pass_fds=[lock] if fcntl else (),
            )  # fmt: skip
            try:
                code = child.wait()
            finally:
                _end(child)
        if -code in ENDED or code - 128 in ENDED:
            sys.exit(f"{folder}: its training was told to end; start the study again to go on")
        if code or self.store.trained(run) is None:
            raise RuntimeError(_last_line(folder / "output.txt") or f"training ended with {code}")
        (folder / LAST).unlink(missing_ok=True)  # as large as the others, needed no more

    def _checkpoint(self, run: Run) -> Path | None:
        """Return the checkpoint that a run goes on from; None trains it from its first step.

        Both end with the same weights.
        """
        own = self.store.of(run) / LAST
        try:
            load_checkpoint(own)
            return own
        except CheckpointError:  # missing, or cut off
            own.unlink(missing_ok=True)
        if run.before is None:
            return None
        earlier = self.store.of(run.before) / CONSTANT
        return earlier if earlier.is_file() else None


def _own_options(run: Run, folder: Path, checkpoint: Path | None) -> list[str]:
    """Return the overrides of where and how often a training writes."""
    save = {
        "_target_": "pytorch_lightning.callbacks.ModelCheckpoint",
        "dirpath": "${run_dir}/checkpoints",
        "filename": "constant",
        "every_n_train_steps": run.decay_begins,
        "save_on_train_epoch_end": "false",
        "enable_version_counter": "false",
    }
    constant = ",".join(f"{name}:'{value}'" if name == "dirpath" else f"{name}:{value}"
                        for name, value in save.items())  # fmt: skip
    options = [
        f"hydra.run.dir={folder}", "score=false", "pictures=false", "logger=csv",
        f"trainer.val_check_interval={max(1, run.rung.steps // VALIDATIONS)}",
        f"++callbacks.last.every_n_train_steps={max(1, min(SAVE_EVERY, run.decay_begins - 1))}",
        f"++callbacks.constant={{{constant}}}",
    ]  # fmt: skip
    return options if checkpoint is None else [*options, f"resume={checkpoint}"]


@contextmanager
def _lock(folder: Path) -> Iterator[int | None]:
    """Lock a run; yield None where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        try:
            if fcntl:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor
    finally:
        os.close(descriptor)


def _end(child: subprocess.Popen) -> None:
    """End a training with its worker; it saves a checkpoint if it can."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def finished(store: Store, runs: Sequence[Run]) -> dict[str, Any]:
    """Return how many of some runs are trained, scored and failed, and the seconds of a step."""
    trained = [content for run in runs if (content := store.trained(run)) is not None]
    steps = sum(content["training"]["steps"] for content in trained)
    seconds = sum(content["training"]["seconds"] for content in trained)
    return {
        "trained": len(trained),
        "scored": sum((store.of(run) / SCORES).is_file() for run in runs),
        "failed": sum(store.failure(run) is not None for run in runs),
        "seconds a step": seconds / steps if steps else None,
        "file": NAME,
    }
