"""How models fare on noise that they were not trained with."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from denoise.evaluation.evaluate import METHOD, Row


class Difference(NamedTuple):
    """A mean difference in dB, with the bounds of its 95 % interval over the images."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


class Cell(NamedTuple):
    """A model on a noise: its mean PSNR in dB, and what it is ahead of others.

    Args:
        model: By its name.
        noise: Likewise.
        psnr: Mean over the images.
        gain: Over the noisy image.
        lead: Over the model that is best on this noise; zero for that one.
        best: That model.
    """

    model: str
    noise: str
    psnr: float
    gain: Difference
    lead: Difference
    best: str


def compare_models(scores: Mapping[tuple[str, str], Sequence[Row]]) -> list[Cell]:
    """Compare each model on each noise with the noisy image and with the best model.

    Args:
        scores: By model and noise, as `evaluate` returns them, of the same images each.
    """
    noisy, restored = (
        {
            key: np.array([row["psnr"] for row in rows if row["method"] == method])
            for key, rows in scores.items()
        }
        for method in ("noisy", METHOD)
    )
    cells = []
    for model, noise in scores:
        rivals = {name: restored[name, other] for name, other in scores if other == noise}
        best = max(rivals, key=lambda name: float(rivals[name].mean()))
        own = rivals[model]
        gain = _difference(own - noisy[model, noise])
        lead = Difference(0.0, 0.0, 0.0) if best == model else _difference(own - rivals[best])
        cells.append(Cell(model, noise, float(own.mean()), gain, lead, best))
    return cells


def worst_cases(cells: Sequence[Cell]) -> list[str]:
    """Return a sentence a model on the noise where it fares worst.

    That is where it is farthest behind the best of the models: the gain over the noisy image says
    as much of the noise as of the model, so it decides for a single model alone.
    """
    models = list(dict.fromkeys(cell.model for cell in cells))
    sentences = []
    for model in models:
        own = [cell for cell in cells if cell.model == model]
        worst = min(own, key=lambda cell: (cell.lead if len(models) > 1 else cell.gain).mean)
        if len(models) == 1:
            harm = ": it makes those images worse" if worst.gain.high < 0 else ""
            fares = f"{worst.noise}, {worst.gain} dB over the noisy image{harm}"
        elif worst.best == model:
            fares = "none, it is the best on each noise"
        else:
            fares = f"{worst.noise}, {worst.lead} dB against `{worst.best}`"
        sentences.append(f"- Worst case of `{model}`: {fares}.")
    return sentences


def _difference(values: np.ndarray) -> Difference:
    """Return the mean with Student's interval, whose bounds are no numbers for one image."""
    count, mean = len(values), float(values.mean())
    if count < 2:
        return Difference(mean, np.nan, np.nan)
    margin = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / count**0.5)
    return Difference(mean, mean - margin, mean + margin)
