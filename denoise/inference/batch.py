"""Restore many pictures: pair inputs with outputs, and restore every page of each."""

import glob
import os
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from denoise.image_io.find_images import list_images
from denoise.image_io.formats import SUFFIXES
from denoise.image_io.photo import Photo
from denoise.image_io.stacks import to_images, with_images
from denoise.image_io.value_range import Bounds, ValueRange, bounds_of, to_fraction, unused_bits
from denoise.inference.restorer import Restorer, format_report
from denoise.noise.estimation import central_window, level_map, model_sigma

SMOOTHED = (
    "JPEG smooths the finest noise, by which it is estimated: where noise stays, give sigma, from 5"
)


class Batch(NamedTuple):
    """Pictures to restore.

    Args:
        pairs: input and output of each.
        done: outputs that exist already.
        unreadable: a sentence for the user on each folder that cannot be read.
    """

    pairs: list[tuple[Path, Path]]
    done: list[Path]
    unreadable: list[str]


def pair_paths(source: str, target: Path, *, overwrite: bool) -> Batch:
    """Pair inputs with outputs.

    Of a folder or pattern, existing outputs are left out, and files in the output folder are not
    inputs. Paths below the folder searched are kept: names alone may occur in several.

    Args:
        source: a picture, a folder or a pattern.
        target: a picture, or a folder for several.
        overwrite: whether to restore pictures again whose output exists.

    Raises:
        ValueError: where there is nothing to restore, or the target does not suit the source.
    """
    folder = os.path.isdir(source)
    if os.path.isfile(source) or not (folder or glob.has_magic(source)):
        path = target / Path(source).name if os.path.isdir(target) else target
        return Batch([(Path(source), path)], [], [])
    if target.suffix.lower() in SUFFIXES:
        raise ValueError(f"output={target} is one picture, but input={source} may be several")
    root, found, unreadable = find_pictures(source)
    start, end = root.resolve(), target.resolve()
    if start == end and (folder or not overwrite):
        raise ValueError(f"output={target} is the input folder: choose another folder")
    if not start.is_relative_to(end):
        found = [path for path in found if not path.parent.resolve().is_relative_to(end)]
    if not found:
        none = f"input={source} holds no {', '.join(sorted(SUFFIXES))} files"
        raise ValueError("; ".join(unreadable) or none)
    pairs = [(path, target / path.relative_to(root)) for path in found]
    done = [] if overwrite else [path for _, path in pairs if os.path.exists(path)]
    existing = set(done)
    return Batch([pair for pair in pairs if pair[1] not in existing], done, unreadable)


def find_pictures(source: str) -> tuple[Path, list[Path], list[str]]:
    """Search a folder as `find_images` does, or by a pattern.

    Returns:
        The folder that is searched, the pictures in it, and a sentence on each unreadable folder.
    """
    unreadable: list[str] = []

    def report(error: OSError) -> None:
        unreadable.append(f"{error.filename} cannot be read ({error.strerror}): make it readable")

    if os.path.isdir(source):
        root = Path(source)
        return root, [root / path for path in list_images(root, report)], unreadable
    root = Path(*takewhile(lambda part: not glob.has_magic(part), Path(source).parts))
    paths = set(map(Path, glob.glob(source, recursive=True)))
    return root, sorted(path for path in paths if path.suffix.lower() in SUFFIXES), unreadable


def restore_photo(
    photo: Photo,
    restorer: Restorer,
    sigma: float | None,
    *,
    takes_sigma: bool,
    advance: Callable[[int], Any] = int,
    value_range: ValueRange = "auto",
    advise: bool = True,
) -> tuple[Photo, list[str]]:
    """Restore every page of a picture, or all channels at once where the net has as many.

    Args:
        photo: the picture.
        restorer: restores a page.
        sigma: in grey levels; None estimates it on each page, where the net takes it.
        takes_sigma: whether the net takes sigma.
        advance: called with the number of pixels of every tile that is done.
        value_range: the values that are 0 and 1 to the net.
        advise: whether a low estimate of a JPEG is told; a net that was trained on pairs of
            photographs knows their noise.

    Returns:
        The restored picture, and lines for the user: a report, and the warnings.
    """
    restored, lines = [], list(photo.warnings)
    images = to_images(photo, restorer.channels)
    if photo.pages_are_channels and len(images) > 1:
        lines.append(f"{len(images)} channels are restored one by one")
    for image in images:
        if value_range == "auto":
            lines += [unused_bits(image)] * bool(unused_bits(image))
        bounds = bounds_of(image, value_range)
        level: float | torch.Tensor | None = sigma
        if takes_sigma:
            level = model_sigma(_central_part(image, bounds), sigma, restorer.net)
            if sigma is None:
                lines.append(_estimate(level))
                if photo.lossy and advise:
                    lines.append(SMOOTHED)
        clean, report = restorer(image, level, advance, bounds)
        restored.append(clean)
        lines += [format_report(report), *report.warnings]
    clean_photo, left_out = with_images(photo, restored)
    return clean_photo, list(dict.fromkeys([*lines, *left_out]))


def _estimate(level: torch.Tensor) -> str:
    ends = level_map(level, torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).to(level)).flatten() * 255
    black, white = ends.tolist()
    alike = f"{black:.1f}" if level.ndim == 1 else f"{black:.1f} in black, {white:.1f} in white"
    return f"noise estimated at sigma {alike}"


def _central_part(image: np.ndarray, bounds: Bounds) -> torch.Tensor:
    """Return the part of an image whose noise is estimated, (1, C, h, w), in [0, 1]."""
    centre = central_window(np.moveaxis(image, -1, 0))
    return torch.from_numpy(to_fraction(centre, bounds))[None]
