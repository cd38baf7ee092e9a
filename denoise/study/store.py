"""The folder of a study: what its runs left, its long table, and what was registered."""

import csv
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from denoise.data.crops import WholeImages
from denoise.data.sets import ImageSet
from denoise.plain_text import to_json, utf8
from denoise.results.record import NAME, environment
from denoise.results.tables import write_csv
from denoise.study.declaration import Study
from denoise.study.image_features import mean_gradient, self_similarity
from denoise.study.runs import Progress, Run

FAILURE, SCORES, TABLE, RUNS = "failure.json", "scores.csv", "table.csv", "runs.csv"
CURVES, IMAGES, LATENCY = "curves.csv", "images.csv", "latency.csv"
REGISTERED = "registered.json"
CONSTANT, LAST, BEST = (f"checkpoints/{name}.ckpt" for name in ("constant", "last", "best"))
# Of the folder of a run, from Run.folder.
_NAME = re.compile(r"(?P<arm>.+),seed=(?P<seed>\d+),rate=(?P<rate>[^-]+)-\w+")


class ScoreRow(TypedDict):
    """PSNR in dB and SSIM of one image under one noise field; its seconds of restoring."""

    set: str
    image: str
    sigma: float
    draw: int
    psnr: float
    ssim: float
    seconds: float
    pixels: int


class Store:
    """The folder of a study.

    Args:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.folder / run.folder

    def trained(self, run: Run) -> dict[str, Any] | None:
        """Return results.json of a training that has ended."""
        return read_json(self.of(run) / NAME)

    def failure(self, run: Run) -> dict[str, Any] | None:
        """Return what ended a run, if it failed."""
        return read_json(self.of(run) / FAILURE)

    def scores(self, run: Run) -> list[ScoreRow] | None:
        """Return the scores of a run, image by image, once it has them."""
        return read_scores(self.of(run) / SCORES)

    def fail(self, run: Run, error: str) -> None:
        """Record what ended a run."""
        content = {"error": utf8(error), "overrides": run.overrides, "environment": environment()}
        write_whole(self.of(run) / FAILURE, to_json(content))

    def forget_failures(self) -> int:
        """Let failed runs be made again; return how many they are."""
        failures = list(self.folder.glob(f"runs/*/*/{FAILURE}"))
        for path in failures:
            path.unlink()
        return len(failures)

    def save_scores(self, run: Run, rows: Sequence[ScoreRow]) -> None:
        """Write the scores of a run completely or not at all."""
        path = self.of(run) / SCORES
        draft = path.with_suffix(".tmp")
        write_csv(draft, rows)
        draft.replace(path)

    def progress(self, choose: tuple[str, float]) -> Progress:
        """Return what is known of all runs in the folder.

        Args:
            choose: Set and sigma by whose mean PSNR arms are promoted.
        """
        validation: dict[str, float | None] = {}
        chosen: dict[str, float | None] = {}
        for folder in self.folder.glob("runs/*/*"):
            key = folder.name.rpartition("-")[2]
            if (folder / FAILURE).is_file():
                validation[key] = chosen[key] = None
            elif (trained := read_json(folder / NAME)) is not None:
                validation[key] = trained["training"]["val_psnr"]
                values = [
                    row["psnr"]
                    for row in read_scores(folder / SCORES) or ()
                    if (row["set"], row["sigma"]) == choose
                ]
                if values:
                    chosen[key] = sum(values) / len(values)
        return Progress(validation, chosen)

    def write_tables(
        self, runs: Sequence[Run], analysed: Sequence[Run], factors: Sequence[str]
    ) -> Path:
        """Write one long table of all scores, and one of all runs; a failed run is a row.

        Args:
            runs: All that are known.
            analysed: Those at the best learning rates, whose scores are compared.
            factors: Names of the columns of the arms' levels.

        Returns:
            Path of the table of scores.
        """
        table: list[dict[str, Any]] = []
        listed: list[dict[str, Any]] = []
        for run in runs:
            failure, trained = self.failure(run), self.trained(run)
            if failure is None and trained is None:
                continue
            key = {
                "arm": run.arm.name,
                **dict(zip(factors, run.arm.levels, strict=True)),
                "rung": run.rung.name,
                "seed": run.seed,
                "rate": run.rate,
            }
            row = {"key": run.key, **key, "steps": run.rung.steps}
            if trained is not None and failure is None:
                row |= trained["training"] | trained["model"]
                row["git"] = trained["environment"]["git"]
                if run in analysed:
                    table += [{**key, **score} for score in self.scores(run) or ()]
            listed.append(row | {"error": failure["error"] if failure else ""})
        self._write(RUNS, listed)
        return self._write(TABLE, table)

    def write_curves(self) -> None:
        """Write the validations of all runs whose folders are here, by step."""
        curves: list[dict[str, Any]] = []
        for folder in sorted(self.folder.glob("runs/*/*")):
            if found := _NAME.fullmatch(folder.name):
                key = {**found.groupdict(), "rung": folder.parent.name}
                curves += [{**key, **point} for point in _validations(folder)]
        if curves:
            self._write(CURVES, curves)

    def save_latency(self, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write the time of inference of every arm."""
        return self._write(LATENCY, rows)

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        draft = self.folder / f"{name}.{os.getpid()}"  # several workers may write
        write_csv(draft, rows)
        return draft.replace(self.folder / name)

    def checkpoint(self, rung: str, arm: str, seed: int, rate: float) -> Path | None:
        """Return the newest checkpoint of a scored run, if it is here."""
        folders = self.folder.glob(f"runs/{rung}/{arm},seed={seed},rate={rate:g}-*")
        found = [folder / BEST for folder in folders if (folder / SCORES).is_file()]
        return max(
            (path for path in found if path.is_file()),
            key=lambda path: path.stat().st_mtime,
            default=None,
        )

    def register(self, declared: Mapping[str, Any]) -> list[str]:
        """Keep what is declared before the first run; return how it differs from what was kept.

        Args:
            declared: Options of the study in plain containers.
        """
        if read_json(self.folder / REGISTERED) is None:
            content = {"study": declared, "git": environment()["git"]}
            write_whole(self.folder / REGISTERED, to_json(content))
        return self.changes(declared)

    def changes(self, declared: Mapping[str, Any]) -> list[str]:
        """Return how options differ from those that were registered."""
        kept = read_json(self.folder / REGISTERED) or {"study": declared}
        earlier, now = kept["study"], json.loads(to_json(declared))
        return [
            f"{key}: {_short(earlier.get(key))} became {_short(now.get(key))}"
            for key in dict.fromkeys([*earlier, *now])
            if earlier.get(key) != now.get(key)
        ]

    def describe_images(self, study: Study, sets: Callable[[str], Mapping[str, ImageSet]]) -> None:
        """Write the gradient and the self-similarity of all scored images, once.

        Args:
            study: Names the sets.
            sets: Loads an option of the group data.
        """
        path = self.folder / IMAGES
        if path.is_file():
            return
        crops = [rung.scoring.crop for rung in study.rungs]
        crop = None if None in crops else max(c for c in crops if c)
        rows = []
        for option in dict.fromkeys(name for r in study.rungs for name in r.scoring.sets):
            images = WholeImages(sets(option), crop)
            for item in (images[number] for number in range(len(images))):
                features = {
                    "gradient": mean_gradient(item["clean"]),
                    "self-similarity": self_similarity(item["clean"]),
                }
                rows.append({"set": item["set"], "image": item["name"]} | features)
        self._write(IMAGES, rows)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a file; None where it is missing or broken off."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_scores(path: Path) -> list[ScoreRow] | None:
    """Return the rows of a table of scores; None where there is no file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return None
    return [
        ScoreRow(
            set=row["set"], image=row["image"], sigma=float(row["sigma"]), draw=int(row["draw"]),
            psnr=float(row["psnr"]), ssim=float(row["ssim"]), seconds=float(row["seconds"]),
            pixels=int(row["pixels"]),
        )
        for row in rows
    ]  # fmt: skip


def _validations(folder: Path) -> list[dict[str, float]]:
    """Return the PSNR of the validations of a run by step, those of its broken-off parts too."""
    points = {}
    for path in sorted(folder.glob("csv*/**/metrics*.csv"), key=lambda path: path.stat().st_mtime):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row.get("val/psnr"):
                    points[int(row["step"]) + 1] = float(row["val/psnr"])
    return [{"step": step, "psnr": points[step]} for step in sorted(points)]


def write_whole(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(f"{text}\n", encoding="utf-8")
    draft.replace(path)


def _short(value: Any) -> str:
    text = to_json(value, indent=None)
    return text if len(text) <= 60 else f"{text[:57]}..."
