"""The report of an evaluation: a page with its pictures, which opens from disk without network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from denoise.evaluation.evaluate import METHOD, Mean, Row
from denoise.results.figures import (
    COLORMAP,
    FRAME_COLORS,
    MAX_ERROR,
    BestAndWorst,
    Example,
)
from denoise.results.html import Chart, chart, render
from denoise.results.record import Results
from denoise.results.tables import complexity_texts

T = TypeVar("T")
ZOOM = 4  # enlargement of windows, so that pixels are visible


class Score(NamedTuple):
    """Cell of a table: PSNR and SSIM as text, and whether the PSNR is the best of its row."""

    psnr: str
    ssim: str
    best: bool


class Table(NamedTuple):
    """Heads of the columns, and rows of cells: texts and scores."""

    heads: list[str]
    rows: list[list[str | Score]]


class Picture(NamedTuple):
    """A picture file beside the page: its name, and its size in pixels."""

    name: str
    width: int
    height: int


def write_report(folder: Path, results: Results, best_and_worst: BestAndWorst) -> Path:
    """Write index.html and its pictures.

    Args:
        folder: Folder of the report.
        results: Content of results.json.
        best_and_worst: Observer of the evaluation.

    Returns:
        Path of index.html.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, means, environment = results["images"], results["average"], results["environment"]
    methods = _unique(row["method"] for row in rows)
    sets = {mean["set"]: mean["images"] for mean in means}
    sigmas = [sigma for sigma in _unique(mean["sigma"] for mean in means) if sigma is not None]
    levels = ", ".join(f"{sigma:g}" for sigma in sigmas)
    versions = (f"{name} {version}" for name, version in environment["packages"].items())
    html = render(
        "report.html",
        title=f"{results.get('name') or PurePath(results['checkpoint']).name} on {', '.join(sets)}",
        results=results,
        data=", ".join(f"{name} ({_count(number, 'image')})" for name, number in sets.items()),
        noise=f"sigma {levels}, in grey levels of 0-255" if sigmas else "as the protocol says",
        averages=_averages(means, methods),
        charts=_charts(means, methods) if len(sigmas) > 1 else [],
        cost=complexity_texts(results["model"]) | _seconds(rows, methods),
        examples=_examples(folder, best_and_worst),
        images=_images(rows, methods),
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        versions=", ".join([f"Python {environment['python']}", *versions]),
        device=f"{environment['device']}, {_count(environment['threads'], 'thread')}",
        zoom=ZOOM,
        colormap=COLORMAP,
        frame_colors=FRAME_COLORS,
        max_error=MAX_ERROR,
    )
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8", errors="replace")  # file names may hold any bytes
    return path


def _averages(means: Sequence[Mean], methods: Sequence[str]) -> Table:
    groups: dict[tuple[str, float | None], dict[str, Mean]] = {}
    for mean in means:
        groups.setdefault((mean["set"], mean["sigma"]), {})[mean["method"]] = mean
    rows: list[list[str | Score]] = []
    for (name, sigma), found in groups.items():
        count = str(next(iter(found.values()))["images"])
        cells = _scores(found, methods, ssim=True)
        rows.append([name, *_sigma(sigma, means), count, *cells])
    return Table(["set", *_sigma("sigma", means), "images", *methods], rows)


def _images(rows: Sequence[Row], methods: Sequence[str]) -> Table:
    groups: dict[tuple[str, str, float | None], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row["image"], row["set"], row["sigma"]), {})[row["method"]] = row
    cells: list[list[str | Score]] = [
        [image, name, *_sigma(sigma, rows), *_scores(found, methods, ssim=False)]
        for (image, name, sigma), found in groups.items()
    ]
    return Table(["image", "set", *_sigma("sigma", rows), *methods], cells)


def _scores(
    found: Mapping[str, Row] | Mapping[str, Mean], methods: Sequence[str], *, ssim: bool
) -> list[str | Score]:
    """Return the cell of every method, empty where it has no score."""
    best = max((row["psnr"] for row in found.values() if not math.isnan(row["psnr"])), default=None)
    cells: list[str | Score] = []
    for method in methods:
        row = found.get(method)
        if row is None:
            cells.append("")
        else:
            text = f"{row['ssim']:.4f}" if ssim else ""
            cells.append(Score(f"{row['psnr']:.2f}", text, row["psnr"] == best))
    return cells


def _sigma(value: float | str | None, rows: Sequence[Row] | Sequence[Mean]) -> list[str]:
    """Return the cell of the column sigma, or none where no row has a sigma."""
    if all(row["sigma"] is None for row in rows):
        return []
    return ["" if value is None else f"{value:g}" if not isinstance(value, str) else value]


def _charts(means: Sequence[Mean], methods: Sequence[str]) -> list[Chart]:
    """Return a chart of PSNR over sigma for every set."""
    denoisers = [method for method in methods if method != "noisy"]  # it would compress the scale
    classes = {method: f"hue{i % 5}" for i, method in enumerate(denoisers)} | {METHOD: "ours"}
    charts = []
    for name in _unique(mean["set"] for mean in means):
        lines: dict[str, list[tuple[float, float]]] = {method: [] for method in denoisers}
        for mean in means:
            sigma, psnr = mean["sigma"], mean["psnr"]
            if mean["set"] == name and mean["method"] in lines and sigma is not None:
                lines[mean["method"]] += [(sigma, psnr)] * math.isfinite(psnr)
        if any(lines.values()):
            charts.append(chart(name, ("sigma in grey levels", "PSNR in dB"), lines, classes))
    return charts


def _seconds(rows: Sequence[Row], methods: Sequence[str]) -> dict[str, str]:
    """Return the mean time of every method that has one."""
    texts = {}
    for method in methods:
        times = [row["seconds"] for row in rows if row["method"] == method and "seconds" in row]
        if times:
            texts[f"{method}, an image"] = f"{sum(times) / len(times):.2f} s"
    return texts


def _examples(folder: Path, best_and_worst: BestAndWorst) -> list[dict[str, Any]]:
    """Save the pictures of every example and return what the template shows of them."""
    groups: list[dict[str, Any]] = []
    for (name, sigma), examples in best_and_worst.examples.items():
        middle = (len(examples) + 1) // 2
        shown = []
        for rank, chosen in (("worst", examples[:middle]), ("best", examples[: middle - 1 : -1])):
            for number, example in enumerate(chosen, 1):
                stem = f"{len(groups) + 1}-{rank}-{number}"  # names may hold slashes
                badge = f"{rank} {number}" if len(examples) > 1 else ""
                shown.append({"badge": badge, "example": example, **_save(folder, stem, example)})
        title = name if sigma is None else f"{name}, sigma {sigma:g}"
        groups.append({"title": title, "shown": shown})
    return groups


def _save(folder: Path, stem: str, example: Example) -> dict[str, Any]:
    def save(name: str, image: Image.Image) -> Picture:
        image.save(folder / name)
        return Picture(name, *image.size)

    panels: dict[str, dict[str, Picture]] = {}
    for which, crop in example.crops.items():
        panels[which] = {}
        for panel, small in crop.panels.items():
            width, height = small.size
            large = small.resize((ZOOM * width, ZOOM * height), Image.Resampling.NEAREST)
            label = "error map" if panel == "error" else panel
            panels[which][label] = save(f"{stem}-{which}-{panel}.png", large)
    return {"overview": save(f"{stem}.png", example.overview), "panels": panels}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
