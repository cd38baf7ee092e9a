"""The scores of a trained run: several noise fields for every image, the same for all runs."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from denoise.data.sets import ImageSet
from denoise.evaluation.evaluate import METHOD, ImageKey, Scores, evaluate
from denoise.evaluation.protocols import Independent
from denoise.study.declaration import Scoring
from denoise.study.store import ScoreRow
from denoise.weights.load import load_model


def measure(
    checkpoint: Path,
    sets: Callable[[str], Mapping[str, ImageSet]],
    scoring: Scoring,
    device: torch.device | str = "cpu",
) -> list[ScoreRow]:
    """Score a checkpoint on the images of a rung.

    Args:
        checkpoint: Of the run.
        sets: Loads an option of the group data.
        scoring: Sets, noise levels and draws.
        device: Where the model runs.
    """
    net, _ = load_model(checkpoint)
    images = {name: one for option in scoring.sets for name, one in sets(option).items()}
    pixels: dict[tuple[str, str], int] = {}

    def count(key: ImageKey, noisy: Tensor, *images: Tensor | Scores) -> None:
        pixels[key["set"], key["image"]] = noisy.shape[-2] * noisy.shape[-1]

    rows: list[ScoreRow] = []
    for draw in range(scoring.draws):
        scored = evaluate(
            net.to(device), images, Independent(draw), scoring.sigmas, {}, device, [count],
            crop=scoring.crop,
        )  # fmt: skip
        rows += [
            ScoreRow(
                set=row["set"], image=row["image"], sigma=row["sigma"] or 0.0, draw=draw,
                psnr=row["psnr"], ssim=row["ssim"], seconds=row["seconds"],
                pixels=pixels[row["set"], row["image"]],
            )
            for row in scored
            if row["method"] == METHOD
        ]  # fmt: skip
    return rows
