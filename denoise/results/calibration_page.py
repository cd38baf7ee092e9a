"""The page of a calibrated camera."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from denoise.noise.calibration import Tiles, stabilise
from denoise.noise.profile import Level
from denoise.results.html import TEMPLATES, Chart, chart, render

BINS = 8  # of the signal
SCALE = 1e4  # variances are shown in ten-thousandths


class Measured(NamedTuple):
    """What was measured at one ISO.

    Args:
        level: The fit.
        tiles: It was fitted to.
        correlations: Of the noise with pixels nearby, (5, 5); (1, 1) where they are not known.
        example: Two frames (H, W) of one scene; None for one image.
        notes: For the user, a sentence each.
    """

    level: Level
    tiles: Tiles
    correlations: np.ndarray
    example: Sequence[np.ndarray] | None
    notes: list[str]


def write_page(path: Path, camera: str, measured: Sequence[Measured], command: str) -> None:
    """Write one self-contained page.

    Args:
        path: Of the page.
        camera: Its name.
        measured: By ISO.
        command: That trains with the profile.
    """
    css = (Path(str(TEMPLATES.loader.searchpath[0])) / "report.css").read_text()  # type: ignore[union-attr]
    levels = [_described(one) for one in measured]
    path.write_text(
        render("calibration.html", css=css, camera=camera, levels=levels, command=command),
        encoding="utf-8",
    )


def _described(one: Measured) -> dict[str, Any]:
    level = one.level
    cells = [
        f"{level.shot:.4g}", "{:.4g} to {:.4g}".format(*level.shot_interval), f"{level.read:.4g}",
        "{:.4g} to {:.4g}".format(*level.read_interval), f"{level.row:.3g}", f"{level.tiles}",
    ]  # fmt: skip
    known = one.correlations.size > 1
    return {
        "iso": f"{level.iso:g}" if level.iso else "unknown",
        "cells": cells,
        "notes": one.notes,
        "charts": list(charts(one)),
        "correlations": [[f"{v:+.2f}" for v in row] for row in one.correlations] if known else [],
    }


def charts(one: Measured) -> list[Chart]:
    """Return charts of one ISO: variance over signal, real and synthetic noise, stabilised."""
    level, tiles = one.level, one.tiles
    variance = level.read + level.row**2
    inside = tiles.room > 4 * np.sqrt(np.maximum(level.shot * tiles.signal + variance, 0))
    real = _binned(tiles.signal[inside], tiles.variance[inside])
    fitted = [(x, level.shot * x + variance) for x, _ in real]
    found = [_variances("Variance over signal, unclipped tiles", "fitted", real, fitted)]
    if one.example is not None:
        first, second = one.example
        mean = (first + second) / 2
        spread = np.sqrt(np.maximum(level.shot * mean + variance, 0))
        rng = np.random.default_rng(0)
        fakes = [mean + spread * rng.standard_normal(mean.shape) for _ in range(2)]
        real, synthetic = (_pair_variance(pair, mean) for pair in ((first, second), fakes))
        title = "Real and synthetic noise on the first scene"
        found.append(_variances(title, "synthetic", real, synthetic))
        stable = [stabilise(frame, level.shot, variance) for frame in (first, second)]
        values = [(round(x, 2), y) for x, y in _pair_variance(stable, mean)]
        lines = {"measured": values, "1, if the line holds": [(x, 1.0) for x, _ in values]}
        classes = {"measured": "measured", "1, if the line holds": "fitted"}
        title = "Variance after the generalised Anscombe transform"
        found.append(chart(title, ("signal", "variance"), lines, classes))
    return found


def _variances(
    title: str, other: str, real: list[tuple[float, float]], line: list[tuple[float, float]]
) -> Chart:
    lines = {
        name: [(round(x, 2), SCALE * y) for x, y in points]
        for name, points in (("measured", real), (other, line))
    }
    return chart(
        title, ("signal", "variance, 1e-4"), lines, {"measured": "measured", other: "fitted"}
    )


def _pair_variance(frames: Sequence[np.ndarray], mean: np.ndarray) -> list[tuple[float, float]]:
    """Return half the variance of the difference of two frames, by their signal."""
    kept = (mean > 0) & (mean < 0.9)
    squares = (frames[0] - frames[1]) ** 2 / 2
    return _binned(mean[kept], squares[kept])


def _binned(signal: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    edges = np.linspace(signal.min(), signal.max(), BINS + 1)
    number = np.clip(np.digitize(signal, edges) - 1, 0, BINS - 1)
    filled = [number == one for one in np.unique(number)]
    return [(float(signal[one].mean()), float(values[one].mean())) for one in filled]
