"""The page of a calibrated camera."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from denoise.noise.calibration import MARGIN, Tiles, stabilise
from denoise.noise.profile import Level, fit_isos
from denoise.noise.temporal import WHITE_NOISE, TemporalNoise
from denoise.results.html import TEMPLATES, Chart, chart, render

BINS = 8  # of the signal
BRIGHTEST = 0.9  # signal of the example, beyond which noise may be clipped


class Measured(NamedTuple):
    """What was measured at one ISO.

    Args:
        iso: 0 where it is not known.
        level: The fit; None where no line fits.
        tiles: It was fitted to.
        correlations: Of the noise with pixels nearby, (5, 5); (1, 1) where they are not known.
        example: Noise of one scene; None for one image.
        notes: For the user, a sentence each.
    """

    iso: float
    level: Level | None
    tiles: Tiles
    correlations: np.ndarray
    example: TemporalNoise | None
    notes: list[str]


def write_page(path: Path, camera: str, measured: Sequence[Measured], command: str | None) -> None:
    """Write one self-contained page.

    Args:
        path: Of the page.
        camera: Its name.
        measured: By ISO.
        command: That trains with the profile; None if there is none.
    """
    css = (Path(str(TEMPLATES.loader.searchpath[0])) / "report.css").read_text()  # type: ignore[union-attr]
    levels = [_described(one) for one in measured]
    path.write_text(
        render(
            "calibration.html",
            css=css,
            camera=camera,
            levels=levels,
            command=command,
            isos=iso_chart([one.level for one in measured if one.level is not None]),
        ),
        encoding="utf-8",
    )


def _described(one: Measured) -> dict[str, Any]:
    level = one.level
    cells = ["-"] * 6
    if level is not None:
        cells = [
            f"{level.shot:.4g}", "{:.4g} to {:.4g}".format(*level.shot_interval),
            f"{level.read:.4g}", "{:.4g} to {:.4g}".format(*level.read_interval),
            f"{level.row:.3g}", f"{level.tiles}",
        ]  # fmt: skip
    known = one.correlations.size > 1
    return {
        "iso": f"{one.iso:g}" if one.iso else "unknown",
        "cells": cells,
        "notes": one.notes,
        "charts": list(charts(one)),
        "correlations": [
            [(f"{v:+.2f}", WHITE_NOISE < abs(v) < 1) for v in row] for row in one.correlations
        ]
        if known
        else [],
    }


def charts(one: Measured) -> list[Chart]:
    """Return charts of one ISO: variance over signal, real and synthetic noise, stabilised."""
    level, tiles = one.level, one.tiles
    if level is None:
        still = tiles.room > 0
        curve = _binned(tiles.signal[still], tiles.variance[still]) if still.any() else []
        return [_variances("Variance over signal: no line", {"measured": curve})] if curve else []

    def line(signal: np.ndarray) -> np.ndarray:
        return np.maximum(level.shot * signal + level.read, 0)

    inside = tiles.room > MARGIN * np.sqrt(line(tiles.signal))
    if not inside.any():
        return []
    real = _binned(tiles.signal[inside], tiles.variance[inside])
    fitted = [(x, level.shot * x + level.read) for x, _ in real]
    found = [
        _variances("Variance over signal, unclipped tiles", {"measured": real, "fitted": fitted})
    ]
    if one.example is not None:
        signal = one.example.signal
        kept = (signal > max(0, one.example.lowest)) & (signal < BRIGHTEST)
        if not kept.any():
            return found
        signal, noise = signal[kept], one.example.noise[:, kept]
        squares = one.example.variance[kept]
        rng = np.random.default_rng(0)
        drawn = rng.poisson(signal / level.shot) * level.shot - signal
        drawn += np.sqrt(level.read) * rng.standard_normal(signal.shape)
        real, synthetic = _binned(signal, squares), _binned(signal, drawn**2)
        title = "Real and synthetic noise on the first scene"
        found.append(_variances(title, {"measured": real, "synthetic": synthetic}))

        centre = stabilise(signal, level.shot, level.read)
        stable = stabilise(signal + noise, level.shot, level.read) - centre
        # Frames that the signal is the mean of hold less than all of the noise.
        whole = squares.mean() / (noise**2).mean()
        values = [(round(x, 2), y) for x, y in _binned(signal, (stable**2).mean(0) * whole)]
        lines = {"measured": values, "1, if the line holds": [(x, 1.0) for x, _ in values]}
        classes = {"measured": "measured", "1, if the line holds": "fitted"}
        title = "Variance after the generalised Anscombe transform"
        found.append(chart(title, ("signal", "variance"), lines, classes))
    return found


def iso_chart(levels: Sequence[Level]) -> Chart | None:
    """Return read over shot noise of three ISOs or more on logarithmic scales; else None."""
    fitted = fit_isos(levels)
    if fitted is None:
        return None
    points = sorted((math.log10(one.shot), math.log10(one.read)) for one in levels if one.read > 0)
    lines = {
        "measured": [(round(x, 2), y) for x, y in points],
        "fitted": [
            (round(x, 2), fitted.slope * x + fitted.offset / math.log(10)) for x, _ in points
        ],
    }
    title = f"Read over shot noise by ISO: slope {fitted.slope:.2f}, random cameras have 2.18"
    return chart(title, ("log10 of shot", "log10 of read"), lines,
                 {"measured": "measured", "fitted": "fitted"})  # fmt: skip


def _variances(title: str, lines: dict[str, list[tuple[float, float]]]) -> Chart:
    """Return a chart of variances in the power of ten that suits them."""
    power = math.floor(math.log10(max(y for line in lines.values() for _, y in line) or 1.0))
    scaled = {
        name: [(round(x, 2), y / 10**power) for x, y in points] for name, points in lines.items()
    }
    classes = {name: "measured" if name == "measured" else "fitted" for name in lines}
    return chart(title, ("signal", f"variance, 1e{power}"), scaled, classes)


def _binned(signal: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    edges = np.linspace(signal.min(), signal.max(), BINS + 1)
    number = np.clip(np.digitize(signal, edges) - 1, 0, BINS - 1)
    filled = [number == one for one in np.unique(number)]
    return [(float(signal[one].mean()), float(values[one].mean())) for one in filled]
