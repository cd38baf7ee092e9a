"""Raw values of a sensor made of photographs, in four packed channels."""

import zlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from denoise.data.sets import Folder, ImageSet
from denoise.noise.camera import draw_development, mosaic


class PackedBayer(ImageSet):
    """Photographs of a folder, traced back to a sensor (Brooks et al. 2019, arXiv 1811.11127).

    Each is of a random camera, the same for a file of one name always. The four colours of a cell
    of the mosaic are the channels, red, green, green and blue, of half the height and width.

    Args:
        channels: Four.
        options: Of `Folder`.

    Raises:
        ValueError: If channels are not four, or as `Folder`.
    """

    def __init__(self, *, channels: int, **options: Any) -> None:
        if channels != 4:
            raise ValueError(f"packed raw values have 4 channels: set channels=4, not {channels}")
        folder = Folder(channels=3, **options)
        clean = [_pack(image, name) for name, image in zip(folder.names, folder.clean, strict=True)]
        super().__init__(folder.names, folder.files, clean, channels, weights=folder.weights)
        self.skipped = folder.skipped


def _pack(photo: np.ndarray, name: str) -> np.ndarray:
    """Return raw values of 16 bits, (H // 2, W // 2, 4), of a photograph (H, W, 3)."""
    H, W = (length // 2 * 2 for length in photo.shape[:2])
    levels = torch.from_numpy(photo[:H, :W].astype(np.float32)) / np.iinfo(photo.dtype).max
    colours = levels.permute(2, 0, 1)[None]
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    raw = mosaic(draw_development(colours, generator).unprocess(colours))
    packed = F.pixel_unshuffle(raw, 2)[0].permute(1, 2, 0)
    return (packed * 65535).round().numpy().astype(np.uint16)
