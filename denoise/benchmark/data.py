"""Crops a second: sliced from decoded images, or with a PNG file decoded for every crop."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from denoise.benchmark.timing import Row, compare
from denoise.data.crops import Crops
from denoise.data.sets import Folder

PATCH, BATCH, FILES = 128, 16, 16


class PerItem(Dataset):
    """One decoded PNG file an item, cropped, rotated and scaled to [0, 1], as in KAIR's loader."""

    def __init__(self, files: list[Path]) -> None:
        self.files, self.rng = files, np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        pixels = np.asarray(Image.open(self.files[index]))
        top, left = (self.rng.integers(n - PATCH + 1) for n in pixels.shape[:2])
        crop = pixels[top : top + PATCH, left : left + PATCH]
        crop = np.rot90(crop, int(self.rng.integers(4)))
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).float().div(255)


def data(rounds: int) -> dict[str, list[Row]]:
    """Compare batches of BATCH crops of PATCH pixels from FILES colour images of 481 x 321."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        smooth = torch.rand(FILES, 3, 41, 61, generator=torch.Generator().manual_seed(0))
        pixels = torch.nn.functional.interpolate(smooth, (321, 481), mode="bicubic")
        for number, photo in enumerate(pixels.clamp(0, 1).mul(255).byte().permute(0, 2, 3, 1)):
            files.append(Path(folder) / f"{number}.png")
            Image.fromarray(photo.numpy()).save(files[-1])
        decoded = Folder(path=folder, channels=3)
        loader = iter(DataLoader(Crops([decoded], PATCH, BATCH, 0), batch_size=None))
        items = _endless(DataLoader(PerItem(files), BATCH, drop_last=True))
        variants = {
            "PNG decoded for each crop": lambda: next(items),
            "sliced": lambda: next(loader),
        }
        rows = compare(variants, rounds=rounds, progress="batches of crops", memory=False)
    for row in rows:
        row["crops a second"] = 1e3 * BATCH / row["ms"]
    return {f"batches of {BATCH} crops of {PATCH} x {PATCH}": rows}


def _endless(loader: DataLoader) -> Iterator[Tensor]:
    while True:
        yield from loader
