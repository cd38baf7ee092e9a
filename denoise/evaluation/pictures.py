"""Pictures that show a result: noisy | restored | clean, with the score written under each."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from denoise.metrics import quantize


def strip(
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
