"""Figures of a result: strips of whole images, and the windows of the best and worst ones."""

import logging
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from denoise.evaluation.evaluate import ImageKey, Scores
from denoise.metrics import quantize

WINDOW = 64  # side of a crop in pixels
MAX_ERROR = 32  # grey levels; larger errors have the last colour of the map
COLORMAP = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
FRAME_COLORS = {"largest": (213, 94, 0), "smallest": (0, 114, 178)}  # colours of the two windows


def comparison_strip(
    noisy: Tensor,
    restored: Tensor,
    clean: Tensor,
    score: Callable[[Tensor, Tensor], dict[str, Tensor]],
) -> np.ndarray:
    """Return noisy, restored and clean side by side, with captions, as RGB (H', W', 3) uint8.

    Args:
        noisy: One image, (1, C, H, W); of more than three channels, three are seen.
        restored: Likewise.
        clean: Likewise.
        score: Maps an image and clean to psnr in dB and ssim, (1,) each.
    """
    C, H, W = clean.shape[1:]
    # TensorBoard shrinks a strip to a card of some 350 px: letters of W / 12 are 9 px there.
    size = max(W / 12, 9)
    font = ImageFont.load_default(size)
    line = int(size * 1.3)
    picture = Image.new("RGB", (3 * W + 8, H + 2 * line + 4), "white")
    draw = ImageDraw.Draw(picture)
    panels = {"noisy": noisy, "restored": restored, "clean": clean}
    for column, (name, image) in enumerate(panels.items()):
        lines = [name + (f", channels 1-{min(C, 3)} of {C}" if C > 3 else "")]
        if C == 2:
            lines = [f"{name}, channel 1 of 2"]
        if name != "clean":
            values = {key: value.item() for key, value in score(image, clean).items()}
            lines.append(f"{values['psnr']:.2f} dB  {values['ssim']:.3f}")
        left = column * (W + 4)
        picture.paste(to_pil(image[0]), (left, 0))
        for row, text in enumerate(lines):
            middle = (left + W / 2, H + 2 + line * (row + 0.5))
            draw.text(middle, text, fill="black", font=font, anchor="mm")
    return np.asarray(picture)


def to_pil(image: Tensor) -> Image.Image:
    """Convert (C, H, W) in [0, 1] to 8-bit RGB: of two channels the first, of more three."""
    shown = image[: 3 if len(image) > 2 else 1]
    levels = (quantize(shown.detach().float().cpu()) * 255).round().byte().numpy()
    return Image.fromarray(np.moveaxis(levels.repeat(3 // len(levels), 0), 0, -1))


class ComparisonStrips:
    """Observer that writes the comparison strip of every image, as long as there is space.

    Args:
        folder: Gets a folder for each set and noise level.
        score: As for `comparison_strip`.
    """

    def __init__(self, folder: Path, score: Callable[[Tensor, Tensor], dict[str, Tensor]]) -> None:
        self.folder, self.score = folder, score
        self._failed = False

    def __call__(
        self,
        key: ImageKey,
        noisy: Tensor,
        restored: Tensor,
        clean: Tensor,
        scores: Scores,
    ) -> None:
        """Write the strip of one image."""
        level = "real" if key["sigma"] is None else f"sigma{key['sigma']:g}"
        path = self.folder / key["set"] / level / f"{key['image']}.png"
        if self._failed:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(comparison_strip(noisy, restored, clean, self.score)).save(path)
        except OSError as error:  # the scores matter more
            self._failed = True
            logging.getLogger("denoise").warning(
                "%s cannot be written (%s), nor are the pictures after it; the scores are: free "
                "space, then denoise evaluate pictures=true", path, error.strerror or error,
            )  # fmt: skip


@dataclass
class Crop:
    """A window of an image: its position in pixels, mean error in grey levels, and panels."""

    top: int
    left: int
    error: float
    panels: dict[str, Image.Image]


@dataclass
class Example:
    """An image with its windows of largest and smallest error, the keys of FRAME_COLORS."""

    key: ImageKey
    scores: Scores
    overview: Image.Image
    crops: dict[str, Crop]


class BestAndWorst:
    """Observer that keeps windows of the images with the lowest and the highest PSNR.

    Args:
        count: Number of the worst, and of the best, for each set and noise level.

    Attributes:
        examples: By set and sigma, in order of PSNR.
    """

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.examples: dict[tuple[str, float | None], list[Example]] = {}

    def __call__(
        self,
        key: ImageKey,
        noisy: Tensor,
        restored: Tensor,
        clean: Tensor,
        scores: Scores,
    ) -> None:
        """Keep one image if it is among the worst or the best so far."""
        kept = self.examples.setdefault((key["set"], key["sigma"]), [])
        full = len(kept) == 2 * self.count
        if full:
            low, high = (e.scores["psnr"] for e in kept[self.count - 1 : self.count + 1])
            if low <= scores["psnr"] <= high:
                return
        insort(kept, example(key, noisy, restored, clean, scores), key=_rank)
        if full:
            del kept[self.count]


def _rank(one: Example) -> float:
    psnr = one.scores["psnr"]
    return psnr if psnr == psnr else float("-inf")  # NaN is the worst


def example(
    key: ImageKey,
    noisy: Tensor,
    restored: Tensor,
    clean: Tensor,
    scores: Scores,
) -> Example:
    """Return an image with its windows of largest and smallest mean absolute error.

    Args:
        key: Set, sigma and name of the image.
        noisy: One image, (1, C, H, W).
        restored: Likewise.
        clean: Likewise.
        scores: Scores of restored.
    """
    error = (quantize(restored) - clean).abs().mean(1, keepdim=True).nan_to_num(1.0)
    height, width = (min(WINDOW, side) for side in clean.shape[-2:])
    means = avg_pool2d(error.float(), (height, width), stride=4)[0, 0]
    whole = to_pil(restored[0].nan_to_num())
    crops = {}
    for name, index in (("largest", means.argmax()), ("smallest", means.argmin())):
        top, left = (4 * step for step in divmod(int(index), means.shape[1]))
        region = (0, slice(None), slice(top, top + height), slice(left, left + width))
        panels = {"noisy": noisy, "restored": restored.nan_to_num(), "clean": clean}
        pictures = {name: to_pil(image[region]) for name, image in panels.items()}
        pictures["error"] = error_map(error[region][0])
        crops[name] = Crop(top, left, means.flatten()[index].item() * 255, pictures)
        _frame(whole, (left, top, left + width - 1, top + height - 1), FRAME_COLORS[name])
    whole.thumbnail((480, 480))
    return Example(key, scores, whole, crops)


def _frame(
    picture: Image.Image, box: tuple[int, int, int, int], colour: tuple[int, int, int]
) -> None:
    """Draw a line around a window, white beside it so that it is visible on any picture."""
    draw, line = ImageDraw.Draw(picture), max(1, max(picture.size) // 240)
    left, top, right, bottom = box
    for edge, out, width in (("white", 5, 1), (colour, 4, 3), ("white", 1, 1)):
        far = out * line
        outer = (left - far, top - far, right + far, bottom + far)
        draw.rectangle(outer, outline=edge, width=width * line)


def error_map(error: Tensor) -> Image.Image:
    """Return the colours of an absolute error, (H, W) on the scale of the images."""
    levels = error.float().cpu().numpy() * 255
    stops = np.linspace(0, MAX_ERROR, len(COLORMAP))
    colours = [np.interp(levels, stops, channel) for channel in zip(*COLORMAP, strict=True)]
    return Image.fromarray(np.stack(colours, -1).round().astype(np.uint8))
