"""How models fare on noise that they were not trained with."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import ttest_1samp

from denoise.evaluation.evaluate import METHOD, Row


class Cell(NamedTuple):
    """A model on a noise: its mean PSNR and its gain over the noisy image, with bounds, in dB."""

    model: str
    noise: str
    psnr: float
    gain: float
    low: float
    high: float


def gains(scores: Mapping[tuple[str, str], Sequence[Row]]) -> list[Cell]:
    """Return the gain of each model on each noise, with its 95 % interval over the images.

    Args:
        scores: By model and noise, as `evaluate` returns them. The interval is Student's; of a
            single image it is not a number.
    """
    cells = []
    for (model, noise), rows in scores.items():
        restored, noisy = (
            np.array([row["psnr"] for row in rows if row["method"] == method])
            for method in (METHOD, "noisy")
        )
        difference = restored - noisy
        bounds = [np.nan] * 2
        if len(difference) > 1:
            bounds = list(ttest_1samp(difference, 0).confidence_interval(0.95))
        values = map(float, (restored.mean(), difference.mean(), *bounds))
        cells.append(Cell(model, noise, *values))
    return cells


def worst_cases(cells: Sequence[Cell]) -> list[str]:
    """Return a sentence a model on the noise where it gains least."""
    sentences = []
    for model in dict.fromkeys(cell.model for cell in cells):
        worst = min((cell for cell in cells if cell.model == model), key=lambda cell: cell.gain)
        harm = ": it makes those images worse" if worst.high < 0 else ""
        sentences.append(
            f"- Worst case of `{model}`: {worst.noise}, {worst.gain:+.2f} dB "
            f"({worst.low:+.2f} to {worst.high:+.2f}){harm}."
        )
    return sentences
