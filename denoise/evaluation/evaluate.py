"""The scores of a model and of baselines under one protocol, image by image."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from time import perf_counter
from typing import NotRequired, TypedDict

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from denoise.data.crops import WholeImages, to_float
from denoise.data.sets import ImageSet
from denoise.evaluation.protocols import Protocol
from denoise.noise.estimation import model_sigma

METHOD = "restored"  # method of the rows of the model under test


class Scores(TypedDict):
    """PSNR in dB and SSIM."""

    psnr: float
    ssim: float


class ImageKey(TypedDict):
    """One image at one noise level: its set, sigma in grey levels, and name."""

    set: str
    sigma: float | None
    image: str


class Row(ImageKey, Scores):
    """Scores of one image by one method, and how long the method took."""

    method: str
    seconds: NotRequired[float]


class Mean(Scores):
    """Mean scores of one method on one set at one noise level, over so many images."""

    set: str
    sigma: float | None
    method: str
    images: int


# Called with the key of an image; noisy, restored and clean, (1, C, H, W); the scores of restored.
Observer = Callable[[ImageKey, Tensor, Tensor, Tensor, Scores], None]


@torch.inference_mode()
def evaluate(
    model: Callable[[Tensor, Tensor], Tensor],
    sets: Mapping[str, ImageSet],
    protocol: Protocol,
    sigmas: Sequence[float],
    baselines: Mapping[str, Callable[[Tensor, float | None], Tensor]],
    device: torch.device | str,
    observers: Sequence[Observer] = (),
    crop: int | None = None,
) -> list[Row]:
    """Score the noisy images, the baselines and the model, image by image.

    Args:
        model: Maps noisy (1, C, H, W) and sigma (1,) to restored.
        sets: Image sets by name.
        protocol: Makes the noisy images and scores the restored ones.
        sigmas: Noise levels in grey levels; a protocol without sigma runs once.
        baselines: By name; each maps noisy and sigma to restored.
        device: Where the model runs.
        observers: Called with each image that the model restores; images are not kept.
        crop: Side of the centre of larger images that is scored in pixels; None scores all of it.

    Returns:
        One row a set, noise level, image and method; that of the noisy image is without seconds.
    """

    def restore(noisy: Tensor, sigma: float | None) -> Tensor:
        return model(noisy, model_sigma(noisy, sigma, model)).float()

    methods = [*baselines.items(), (METHOD, restore)]
    images = WholeImages(sets, crop)
    levels: list[float | None] = list(sigmas) if protocol.needs_sigma else [None]
    work = [(sigma, index) for sigma in levels for index in range(len(images))]
    rows: list[Row] = []
    for sigma, index in track(work, "evaluating", transient=True, disable=len(work) < 2):
        item = images[index]
        key = ImageKey(set=item["set"], sigma=sigma, image=item["name"])
        clean = to_float(item["clean"])[None].to(device)
        real_noisy = to_float(item["noisy"])[None].to(device) if "noisy" in item else None
        noisy = protocol.add_noise(clean, sigma, real_noisy)
        rows.append({**key, "method": "noisy", **_scores(protocol, noisy, clean)})
        for method, denoise in methods:
            begun = perf_counter()
            restored = denoise(noisy, sigma)
            if noisy.is_cuda:
                torch.cuda.synchronize()  # its kernels run on after the call
            seconds = perf_counter() - begun
            scores = _scores(protocol, restored, clean)
            rows.append({**key, "method": method, **scores, "seconds": seconds})
        for observe in observers:  # the model comes last
            observe(key, noisy, restored, clean, scores)
    return rows


def averages(rows: Sequence[Row]) -> list[Mean]:
    """Return the mean scores over the images of each set, noise level and method."""

    def group(row: Row) -> tuple[str, float, str]:
        return row["set"], row["sigma"] or 0.0, row["method"]

    means = []
    for _, grouped in groupby(sorted(rows, key=group), group):
        same = list(grouped)
        means.append(
            Mean(
                set=same[0]["set"],
                sigma=same[0]["sigma"],
                method=same[0]["method"],
                images=len(same),
                psnr=float(np.mean([row["psnr"] for row in same])),
                ssim=float(np.mean([row["ssim"] for row in same])),
            )
        )
    return means


def _scores(protocol: Protocol, restored: Tensor, clean: Tensor) -> Scores:
    values = protocol.score(restored, clean)
    return Scores(psnr=values["psnr"].item(), ssim=values["ssim"].item())
