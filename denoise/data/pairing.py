"""Which noisy image belongs to which clean one: by name, by a pattern, or by a list."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoise.image_io.errors import ImageError
from denoise.image_io.find_images import find_images, match_images, read_list


def find_partners(noisy: str | None, clean: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the noisy and the clean files by their common names.

    Raises:
        ValueError: If both are the same, or one has no partner.
    """
    if noisy is None:
        folder = Path(clean).expanduser().parent
        rows = [[folder / cell for cell in row] for row in read_list(Path(clean).expanduser(), 2)]
        # By the clean image; where several noisy ones share it, by the noisy image.
        for column, suffix in ((1, False), (0, False), (0, True)):
            paths = [row[column] if suffix else row[column].with_suffix("") for row in rows]
            names = [os.path.relpath(path, folder) for path in paths]
            if len(set(names)) == len(names):
                break
        return (
            {name: row[0] for name, row in zip(names, rows, strict=True)},
            {name: row[1] for name, row in zip(names, rows, strict=True)},
        )
    if Path(noisy).resolve() == Path(clean).resolve():
        raise ValueError(
            f"{noisy} is given as noisy and as clean: give two folders, two patterns such as "
            f"noisy={noisy}/*_NOISY_* clean={clean}/*_GT_*, or, to add noise, data=folder"
        )
    inputs, targets = (
        match_images(one) if "*" in one else find_images(Path(one), Path(one).parent.name)
        for one in (noisy, clean)
    )
    if single := sorted(inputs.keys() ^ targets.keys()):
        raise ValueError(
            f"{len(single)} images are only in one of {noisy} and {clean}: "
            f"{', '.join(single[:3])}; pairs need the same name in both"
        )
    return inputs, targets


def mismatch(
    file: Path, noisy: Sequence[np.ndarray], clean: Sequence[np.ndarray]
) -> ImageError | None:
    """Return the error of a pair whose images differ in number or size."""
    if len(noisy) != len(clean):
        return ImageError(
            f"{file} has {len(noisy)} images but its partner {len(clean)}: remove the pair, or "
            "pass on_error=skip"
        )
    for one, other in zip(noisy, clean, strict=True):
        if one.shape != other.shape:
            return ImageError(
                f"{file} has {one.shape[0]}x{one.shape[1]} pixels but its partner "
                f"{other.shape[0]}x{other.shape[1]}: remove the pair, or pass on_error=skip"
            )
    return None
