"""The measurement: every image, noise level and method under one protocol, as rows."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from denoise.data.crops import WholeImages, to_float
from denoise.data.sets import ImageSet
from denoise.evaluation.protocols import Protocol
from denoise.noise.estimation import model_sigma

Row = dict[str, Any]
# Sees what the measurement restores: the row's set, sigma and image; noisy, restored and clean,
# (1, C, H, W); the scores of restored.
Observer = Callable[[dict[str, Any], Tensor, Tensor, Tensor, dict[str, float]], None]
METHOD = "restored"  # what the rows call the model under test


@torch.inference_mode()
def evaluate(
    model: Callable[[Tensor, Tensor], Tensor],
    sets: Mapping[str, ImageSet],
    protocol: Protocol,
    sigmas: Sequence[float],
    baselines: Mapping[str, Callable[[Tensor, float | None], Tensor]],
    device: torch.device | str,
    observers: Sequence[Observer] = (),
) -> list[Row]:
    """Score the noisy images, the baselines and the model, image by image.

    Args:
        model: maps noisy (1, C, H, W) and sigma (1,) to restored.
        sets: image sets by name.
        protocol: makes the noisy images and scores.
        sigmas: noise levels in grey levels; a protocol without sigma is run once.
        baselines: by name; each maps noisy and sigma to restored.
        device: where the model runs.
        observers: see each image as it is restored; images are not kept beyond that.

    Returns:
        One row a set, noise level, image and method, with psnr in dB, ssim and, but for the noisy
        image, the seconds that restoring it took.
    """

    def restore(noisy: Tensor, sigma: float | None) -> Tensor:
        return model(noisy, model_sigma(noisy, sigma)).float()

    methods = {**baselines, METHOD: restore}
    images = WholeImages(sets, None)
    levels = list(sigmas) if protocol.needs_sigma else [None]
    work = [(sigma, index) for sigma in levels for index in range(len(images))]
    rows = []
    for sigma, index in track(work, "evaluating", transient=True, disable=len(work) < 2):
        item = images[index]
        place = {"set": item["set"], "sigma": sigma, "image": item["name"]}
        clean = to_float(item["clean"])[None].to(device)
        real_noisy = to_float(item["noisy"])[None].to(device) if "noisy" in item else None
        noisy = protocol.add_noise(clean, sigma, real_noisy)
        results, seconds = {"noisy": noisy}, {"noisy": {}}
        for method, denoise in methods.items():
            begun = perf_counter()
            results[method] = denoise(noisy, sigma)
            if noisy.is_cuda:
                torch.cuda.synchronize()  # its kernels run on after the call
            seconds[method] = {"seconds": perf_counter() - begun}
        scores = {}
        for method, image in results.items():
            scores[method] = {k: v.item() for k, v in protocol.score(image, clean).items()}
            rows.append({**place, "method": method, **scores[method], **seconds[method]})
        for observe in observers:
            observe(place, noisy, results[METHOD], clean, scores[METHOD])
    return rows


def averages(rows: Sequence[Row]) -> list[Row]:
    """Average the rows over the images of each set, noise level and method: mean of each score."""

    def place(row: Row) -> tuple:
        return row["set"], row["sigma"] or 0.0, row["method"]

    means = []
    for _, group in groupby(sorted(rows, key=place), place):
        group = list(group)
        mean = {key: group[0][key] for key in ("set", "sigma", "method")} | {"images": len(group)}
        scores = {key: float(np.mean([row[key] for row in group])) for key in ("psnr", "ssim")}
        means.append(mean | scores)
    return means
