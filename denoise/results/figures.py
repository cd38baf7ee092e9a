"""Pictures that show a result: strips of whole images, and where a model is best and worst."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from denoise.metrics import quantize

WINDOW = 64  # side of a crop in pixels
BRIGHTEST = 32  # error in grey levels that the error map shows as its brightest colour
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
FRAMES = {"largest": (213, 94, 0), "smallest": (0, 114, 178)}  # colours of the two windows


def comparison_strip(
    noisy: Tensor,
    restored: Tensor,
    clean: Tensor,
    score: Callable[[Tensor, Tensor], dict[str, Tensor]],
) -> np.ndarray:
    """Lay three images side by side and caption them.

    Args:
        noisy: (1, C, H, W), grey or RGB.
        restored: likewise.
        clean: likewise.
        score: maps an image and clean to psnr in dB and ssim, (1,) each.

    Returns:
        RGB picture, (H', W', 3) uint8.
    """
    H, W = clean.shape[-2:]
    font = ImageFont.load_default(size=min(max(W / 18, 9), 24))
    margin = int(font.size * 1.6)
    picture = Image.new("RGB", (3 * W + 8, H + margin), "white")
    draw = ImageDraw.Draw(picture)
    panels = {"noisy": noisy, "restored": restored, "clean": clean}
    for place, (name, image) in enumerate(panels.items()):
        if name != "clean":
            values = {key: value.item() for key, value in score(image, clean).items()}
            name += f"  {values['psnr']:.2f} dB  {values['ssim']:.3f}"
        left = place * (W + 4)
        picture.paste(to_pil(image[0]), (left, 0))
        draw.text((left + W / 2, H + margin / 2), name, fill="black", font=font, anchor="mm")
    return np.asarray(picture)


def to_pil(image: Tensor) -> Image.Image:
    """Convert (C, H, W) in [0, 1], C 1 or 3, to an 8-bit RGB picture."""
    levels = (quantize(image.detach().float().cpu()) * 255).round().byte().numpy()
    return Image.fromarray(np.moveaxis(levels.repeat(3 // len(levels), 0), 0, -1))


class Strips:
    """A watcher that writes a strip of every image.

    Args:
        folder: Where they go, one folder a set and noise level.
        score: As for `comparison_strip`.
    """

    def __init__(self, folder: Path, score: Callable[[Tensor, Tensor], dict[str, Tensor]]) -> None:
        self.folder, self.score = folder, score

    def __call__(
        self,
        place: dict[str, Any],
        noisy: Tensor,
        restored: Tensor,
        clean: Tensor,
        scores: dict[str, float],
    ) -> None:
        """Write the strip of one image."""
        level = "real" if place["sigma"] is None else f"sigma{place['sigma']:g}"
        path = self.folder / place["set"] / level / f"{place['image']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(comparison_strip(noisy, restored, clean, self.score)).save(path)


@dataclass
class Crop:
    """A window of an image: its place in pixels, mean error in grey levels, and four pictures."""

    top: int
    left: int
    error: float
    panels: dict[str, Image.Image]


@dataclass
class Example:
    """An image seen through its two extreme windows, the keys of FRAMES."""

    place: dict[str, Any]
    scores: dict[str, float]
    overview: Image.Image
    crops: dict[str, Crop]


class BestAndWorst:
    """A watcher that keeps crops of the images that a model restores worst and best, by PSNR.

    Args:
        count: How many of the worst, and of the best, for each set and noise level.

    Attributes:
        examples: By set and sigma, the worst first.
    """

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.examples: dict[tuple[str, float | None], list[Example]] = {}

    def __call__(
        self,
        place: dict[str, Any],
        noisy: Tensor,
        restored: Tensor,
        clean: Tensor,
        scores: dict[str, float],
    ) -> None:
        """Keep the crops of one image if it is among the extremes so far."""
        kept = self.examples.setdefault((place["set"], place["sigma"]), [])
        full = len(kept) == 2 * self.count
        if full:
            low, high = (e.scores["psnr"] for e in kept[self.count - 1 : self.count + 1])
            if low <= scores["psnr"] <= high:
                return
        insort(kept, example(place, noisy, restored, clean, scores), key=_rank)
        if full:
            del kept[self.count]


def _rank(one: Example) -> float:
    psnr = one.scores["psnr"]
    return psnr if psnr == psnr else float("-inf")  # what is no number is the worst


def example(
    place: dict[str, Any],
    noisy: Tensor,
    restored: Tensor,
    clean: Tensor,
    scores: dict[str, float],
) -> Example:
    """Cut out the windows of the largest and smallest mean absolute error.

    Args:
        place: Set, sigma and name of the image.
        noisy: (1, C, H, W).
        restored: Likewise.
        clean: Likewise.
        scores: Of restored.
    """
    error = (quantize(restored) - clean).abs().mean(1, keepdim=True).nan_to_num(1.0)
    height, width = (min(WINDOW, side) for side in clean.shape[-2:])
    means = avg_pool2d(error.float(), (height, width), stride=4)[0, 0]
    whole = to_pil(restored[0].nan_to_num())
    crops = {}
    for name, index in (("largest", means.argmax()), ("smallest", means.argmin())):
        top, left = (4 * step for step in divmod(index.item(), means.shape[1]))
        part = (0, slice(None), slice(top, top + height), slice(left, left + width))
        panels = {"noisy": noisy, "restored": restored.nan_to_num(), "clean": clean}
        pictures = {name: to_pil(image[part]) for name, image in panels.items()}
        pictures["error"] = error_map(error[part][0])
        crops[name] = Crop(top, left, means.flatten()[index].item() * 255, pictures)
        _frame(whole, (left, top, left + width - 1, top + height - 1), FRAMES[name])
    whole.thumbnail((480, 480))
    return Example(place, scores, whole, crops)


def _frame(picture: Image.Image, box: tuple[int, int, int, int], colour: tuple) -> None:
    """Draw an edge around a window, white beside it so that it is seen on any picture."""
    draw, line = ImageDraw.Draw(picture), max(1, max(picture.size) // 240)
    left, top, right, bottom = box
    for edge, out, width in (("white", 5, 1), (colour, 4, 3), ("white", 1, 1)):
        far = out * line
        outer = (left - far, top - far, right + far, bottom + far)
        draw.rectangle(outer, outline=edge, width=width * line)


def error_map(error: Tensor) -> Image.Image:
    """Colour an absolute error, (H, W) on the scale of the images, from 0 to BRIGHTEST."""
    levels = error.float().cpu().numpy() * 255
    stops = np.linspace(0, BRIGHTEST, len(HEAT))
    colours = [np.interp(levels, stops, channel) for channel in zip(*HEAT, strict=True)]
    return Image.fromarray(np.stack(colours, -1).round().astype(np.uint8))
