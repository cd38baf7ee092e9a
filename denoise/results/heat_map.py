"""A picture of gains: a row a model, a column a noise."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from denoise.evaluation.generalisation import Cell

matplotlib.use("Agg")
from matplotlib import pyplot

LONGEST = 40  # characters of a model's name, the last ones


def draw_heat_map(cells: Sequence[Cell], path: Path) -> None:
    """Draw the gain over the noisy image in dB, red below zero and blue above.

    Args:
        cells: One for each model and noise.
        path: Of the picture.
    """
    models = list(dict.fromkeys(cell.model for cell in cells))
    noises = list(dict.fromkeys(cell.noise for cell in cells))
    gain = np.full((len(models), len(noises)), np.nan)
    for cell in cells:
        gain[models.index(cell.model), noises.index(cell.noise)] = cell.gain.mean
    limit = max(1.0, float(np.nanmax(np.abs(gain))))
    size = (2.5 + 1.1 * len(noises), 1.4 + 0.5 * len(models))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    drawn = axes.imshow(gain, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(noises)), noises, rotation=20, ha="right")
    axes.set_yticks(range(len(models)), [name[-LONGEST:] for name in models])
    for row, column in np.ndindex(gain.shape):
        value = gain[row, column]
        colour = "white" if abs(value) > 0.6 * limit else "black"
        axes.text(column, row, f"{value:+.2f}", ha="center", va="center", color=colour)
    axes.set_title("gain over the noisy image in dB")
    figure.colorbar(drawn, ax=axes)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
