"""A report of a measurement that opens from disk: a page, its pictures, nothing from elsewhere."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from denoise.evaluation.evaluate import METHOD, Row
from denoise.results.figures import COLORMAP, FRAME_COLORS, MAX_ERROR, BestAndWorst, Example
from denoise.results.html import chart, definitions, page, table
from denoise.results.tables import complexity_texts

ZOOM = 4  # of crops, so that pixels can be seen


def write_report(folder: Path, record: Mapping[str, Any], extremes: BestAndWorst) -> Path:
    """Write index.html and its pictures.

    Args:
        folder: Of the report.
        record: What results.json holds.
        extremes: Has watched the measurement.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, means = record["images"], record["average"]
    methods = _unique(rows, "method")
    sets = {row["set"]: row["images"] for row in means}
    sigmas = [sigma for sigma in _unique(means, "sigma") if sigma is not None]
    levels = ", ".join(f"{sigma:g}" for sigma in sigmas)
    facts = {
        "checkpoint": f"<code>{escape(str(record['checkpoint']))}</code>",
        "protocol": escape(record["protocol"]),
        "data": ", ".join(f"{escape(name)} ({_count(n, 'image')})" for name, n in sets.items()),
        "noise": f"sigma {levels}, in grey levels of 0-255" if sigmas else "as the protocol says",
    }
    sections = {
        "Averages": _averages(means, methods),
        "PSNR over sigma": _charts(means, methods) if len(sigmas) > 1 else "",
        "Cost": _cost(record["model"], rows, methods),
        "Worst and best": _examples(folder, extremes),
        "Every image": _images(rows, methods),
    }
    title = f"{PurePath(record['checkpoint']).name} on {', '.join(sets)}"
    text = page(escape(title), definitions(facts), sections, _foot(record["environment"]))
    path = folder / "index.html"
    path.write_text(text, encoding="utf-8", errors="replace")  # names of files can be any bytes
    return path


def _averages(means: Sequence[Row], methods: Sequence[str]) -> str:
    lines = []
    for (name, sigma), found in _grouped(means, "set", "sigma").items():
        count = next(iter(found.values()))["images"]
        scores = [
            f"{text}<small>{found[method]['ssim']:.4f}</small>" if text else ""
            for method, text in _psnrs(found, methods).items()
        ]
        lines.append([escape(name), *_sigma(sigma, means), str(count), *scores])
    heads = ["set", *_sigma("sigma", means), "images", *map(escape, methods)]
    note = "PSNR in dB, SSIM below it; the best PSNR of a row is bold."
    return f'<p class="note">{note}</p>{table("averages", heads, lines, 1, sortable=False)}'


def _images(rows: Sequence[Row], methods: Sequence[str]) -> str:
    lines = [
        [escape(image), escape(name), *_sigma(sigma, rows), *_psnrs(found, methods).values()]
        for (image, name, sigma), found in _grouped(rows, "image", "set", "sigma").items()
    ]
    heads = ["image", "set", *_sigma("sigma", rows), *map(escape, methods)]
    note = "PSNR in dB, the best of a row is bold."
    return f'<p class="note">{note}</p>{table("every image", heads, lines, 2, sortable=True)}'


def _grouped(rows: Sequence[Row], *keys: str) -> dict[tuple, dict[str, Row]]:
    """Gather the rows by what they have in common, then by method."""
    groups: dict[tuple, dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), {})[row["method"]] = row
    return groups


def _psnrs(found: Mapping[str, Row], methods: Sequence[str]) -> dict[str, str]:
    """Write the PSNR of every method, empty where there is none."""
    best = max((row["psnr"] for row in found.values() if not math.isnan(row["psnr"])), default=None)
    texts = dict.fromkeys(methods, "")
    for method, row in found.items():
        text = f"{row['psnr']:.2f}"
        texts[method] = f"<b>{text}</b>" if row["psnr"] == best else text
    return texts


def _sigma(value: float | str | None, rows: Sequence[Row]) -> list[str]:
    """Write the cell of a column that is there only where the noise has a sigma."""
    if all(row["sigma"] is None for row in rows):
        return []
    return ["" if value is None else f"{value:g}" if not isinstance(value, str) else value]


def _charts(means: Sequence[Row], methods: Sequence[str]) -> str:
    restorers = [method for method in methods if method != "noisy"]  # it would flatten the others
    classes = {method: f"hue{i % 5}" for i, method in enumerate(restorers)} | {METHOD: "ours"}
    charts = []
    for name in _unique(means, "set"):
        lines: dict[str, list] = {method: [] for method in restorers}
        for row in means:
            if row["set"] == name and row["method"] in lines and math.isfinite(row["psnr"]):
                lines[row["method"]].append((row["sigma"], row["psnr"]))
        if any(lines.values()):
            axes = ("sigma in grey levels", "PSNR in dB")
            charts.append(chart(name, axes, lines, classes))
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def _cost(model: Mapping[str, Any], rows: Sequence[Row], methods: Sequence[str]) -> str:
    facts = complexity_texts(model)
    for method in methods:
        times = [row["seconds"] for row in rows if row["method"] == method and "seconds" in row]
        if times:
            facts[f"{escape(method)}, an image"] = f"{sum(times) / len(times):.2f} s"
    return definitions(facts, "cards")


def _examples(folder: Path, extremes: BestAndWorst) -> str:
    blocks = []
    for (name, sigma), examples in extremes.examples.items():
        half = (len(examples) + 1) // 2
        kinds = {"worst": examples[:half], "best": examples[: half - 1 : -1]}
        shown = []
        for kind, group in kinds.items():
            for number, one in enumerate(group, 1):
                stem = f"{len(blocks) + 1}-{kind}-{number}"
                badge = f"{kind} {number}" if len(examples) > 1 else ""
                shown.append(_example(folder, stem, badge, one))
        place = escape(name) + ("" if sigma is None else f", sigma {sigma:g}")
        state = "" if blocks else " open"
        blocks.append(f"<details{state}><summary>{place}</summary>{''.join(shown)}</details>")
    gradient = ", ".join(f"rgb{colour}" for colour in COLORMAP)
    legend = (
        '<p class="note">By the PSNR of restored. Of each image the windows with the largest and '
        f"the smallest mean error, {ZOOM} times enlarged.</p>"
        '<p class="heat">Error map, |restored - clean|: 0 <i style="background: '
        f'linear-gradient(90deg, {gradient})"></i> {MAX_ERROR} grey levels or more</p>'
    )
    return legend + "".join(blocks) if blocks else ""


def _example(folder: Path, stem: str, badge: str, one: Example) -> str:
    """Show an image; its pictures are named by stem, for the image's name may be no file name."""
    name = escape(str(one.key["image"]))
    overview = _picture(folder / f"{stem}.png", one.overview, f"{name}, restored, windows framed")
    views = []
    for which, crop in one.crops.items():
        panels = []
        for panel, small in crop.panels.items():
            large = small.resize([ZOOM * side for side in small.size], Image.Resampling.NEAREST)
            label = "error map" if panel == "error" else panel
            alt = f"{label}, window of {name} with the {which} error"
            image = _picture(folder / f"{stem}-{which}-{panel}.png", large, alt)
            panels.append(f"<figure>{image}<figcaption>{label}</figcaption></figure>")
        views.append(
            f'<p><i style="background: rgb{FRAME_COLORS[which]}"></i>{which} error: mean '
            f"{crop.error:.1f} grey levels, at x {crop.left}, y {crop.top}</p>"
            f'<div class="panels">{"".join(panels)}</div>'
        )
    mark = f'<span class="badge">{badge}</span>' if badge else ""
    score = f"{one.scores['psnr']:.2f} dB, SSIM {one.scores['ssim']:.4f}"
    about = f'<div class="about"><h3>{mark}{name}</h3><p class="note">{score}</p>{overview}</div>'
    return f"<article>{about}<div>{''.join(views)}</div></article>"


def _picture(path: Path, picture: Image.Image, alt: str) -> str:
    picture.save(path)
    width, height = picture.size
    return f'<img src="{path.name}" width="{width}" height="{height}" alt="{alt}">'


def _foot(environment: Mapping[str, Any]) -> str:
    packages = [f"{name} {version}" for name, version in environment["packages"].items()]
    facts = {
        "written": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "command": f"<code>{escape(environment['command'])}</code>",
        "revision": escape(environment["git"] or "not in git"),
        "versions": escape(", ".join([f"Python {environment['python']}", *packages])),
        "device": escape(f"{environment['device']}, {_count(environment['threads'], 'thread')}"),
    }
    return definitions(facts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _unique(rows: Sequence[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))
