"""Two noisy shots of each clean photograph: python noisy_shots.py OUTPUT FOLDER=COUNT ...

OUTPUT/<folder>/clean, shot1 and shot2 hold the first COUNT images of each folder, of larger ones
the middle 512 x 512 pixels, and white noise of sigma 25 on them, rounded to 8 bits.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIGMA, SIDE = 25, 512


def save(pixels: np.ndarray, path: Path) -> None:
    """Write a picture, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


output, *folders = sys.argv[1:]
rng = np.random.default_rng(1)
for argument in folders:
    folder, _, count = argument.partition("=")
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in (".png", ".jpg"))
    for file in files[: int(count)]:
        clean = np.asarray(Image.open(file).convert("RGB"))
        top, left = (max(0, length - SIDE) // 2 for length in clean.shape[:2])
        clean = clean[top:, left:][:SIDE, :SIDE]
        place = Path(output, Path(folder).name)
        save(clean, place / "clean" / f"{file.stem}.png")
        for shot in ("shot1", "shot2"):
            noisy = clean + SIGMA * rng.standard_normal(clean.shape)
            save(noisy.round().clip(0, 255).astype(np.uint8), place / shot / f"{file.stem}.png")
