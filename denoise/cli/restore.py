"""Clean pictures: python scripts/restore.py checkpoint=PATH input=photo.jpg output=clean.png."""

import glob
import os
import sys
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.data.crops import to_float
from denoise.image_io.errors import ImageError
from denoise.image_io.formats import SUFFIXES
from denoise.image_io.photo import Photo
from denoise.image_io.read import read_photo
from denoise.image_io.write import check_target, write_photo
from denoise.inference.memory import left_of, parse_memory
from denoise.inference.restorer import Report, Restorer
from denoise.malloc import tune_malloc
from denoise.noise.estimation import central_window, model_sigma
from denoise.results.tables import echo
from denoise.weights.load import open_model


@hydra_main
def main(config: DictConfig) -> None:
    """Restore a picture or many; those that fail are listed at the end."""
    tune_malloc(large=False)  # what is kept has holes, and memory is bounded here
    works, unread = plan(str(config.input), Path(config.output), config.overwrite)
    device = choose_device(config.device)
    if config.precision not in ("auto", "32", 32, "bf16"):
        raise ValueError(f"precision={config.precision} is unknown: choose auto, 32 or bf16")
    net, made = open_model(config.checkpoint)
    model = made["backbone"]
    gains = device.type != "cpu" if config.precision == "auto" else config.precision == "bf16"
    net, channels = net.to(device), model["in_channels"]
    restorer = Restorer(
        net, channels,
        memory=left_of(parse_memory(config.memory), net, channels), tiles=config.tiles,
        ensemble=config.ensemble,
        strength=config.strength, autocast=gains,
    )  # fmt: skip
    failed = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        for number, (source, target) in enumerate(works, 1):
            place = f"{number}/{len(works)} {source.name}"
            try:
                photo = read_photo(source, config.max_pixels)
                check_target(photo, target, overwrite=config.overwrite)
                asks = model["sigma_map"]
                clean, lines = restored(photo, restorer, config.sigma, asks, bar, place)
                lines += write_photo(clean, target, overwrite=config.overwrite)
                echo(f"{source} -> {target}", *(f"    {line}" for line in lines))
            except (ImageError, ValueError) as error:
                failed.append(f"{source}: {error}".replace(f"{source}: {source}", str(source)))
                echo(f"failed: {failed[-1]}")
    if failed or unread:
        lines = "\n  ".join([*failed, *unread])
        also = f" and {len(unread)} of the folders" if unread else ""
        sys.exit(f"error: {len(failed)} of {len(works)} pictures{also} failed:\n  {lines}")


def restored(
    photo: Photo, restorer: Restorer, sigma: float | None, asks: bool, bar: Progress, place: str
) -> tuple[Photo, list[str]]:
    """Restore every page of a picture: the clean picture, and what to tell the user."""
    total = sum(page.shape[0] * page.shape[1] for page in photo.pages)
    task = bar.add_task(place, total=total, speed="")

    def advance(pixels: int) -> None:
        bar.advance(task, pixels)
        speed = bar.tasks[-1].speed
        bar.update(task, speed="" if speed is None else f"{speed / 1e6:.2f} Mpx/s")

    pages, lines = [], list(photo.warnings)
    for page in photo.pages:
        level = model_sigma(centre(page), sigma).item() if asks else sigma
        if asks and sigma is None:
            lines.append(f"noise estimated at sigma {level:.1f}")
        clean, report = restorer(page, level, advance)
        pages.append(clean)
        lines += [told(report, page.shape[0] * page.shape[1]), *report.notes]
    bar.remove_task(task)
    return replace(photo, pages=pages), list(dict.fromkeys(lines))


def told(report: Report, pixels: int) -> str:
    """One line on how a page was restored."""
    line = f"{pixels / 1e6:.2f} Mpx in {report.seconds:.1f} s, {report.how}"
    if report.tiles > 1:
        line += f": {report.tiles} of {report.side} px, seam {report.seam:.3f} (1 is none)"
    if report.overlap:
        line += f", overlap {report.overlap} px, they differ by {report.deviation:.2f} grey levels"
    return line


def centre(page: np.ndarray) -> torch.Tensor:
    """Return the part of a page whose noise is estimated, (1, C, h, w), in [0, 1]."""
    part = central_window(np.moveaxis(page, -1, 0))
    return to_float(torch.from_numpy(part.copy()))[None]


def plan(source: str, target: Path, overwrite: bool) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pair inputs with outputs, and list the folders that may not be read.

    Of a folder or pattern, those that exist already are done, and what lies in the output is no
    input. Paths below the folder searched are kept: names alone may occur in several.
    """
    folder = os.path.isdir(source)
    if os.path.isfile(source) or not (folder or glob.has_magic(source)):
        if os.path.isdir(target):
            target = target / Path(source).name
        return [(Path(source), target)], []
    if target.suffix.lower() in SUFFIXES:
        raise ValueError(f"output={target} is one picture, but input={source} may be several")
    root, found, unread = pictures(source)
    start, end = root.resolve(), target.resolve()
    if start == end and (folder or not overwrite):
        raise ValueError(f"output={target} is the input folder: choose another folder")
    if not start.is_relative_to(end):
        found = [path for path in found if not path.parent.resolve().is_relative_to(end)]
    if not found:
        none = f"input={source} holds no {', '.join(sorted(SUFFIXES))} files"
        raise ValueError("; ".join(unread) or none)
    works = [(path, target / path.relative_to(root)) for path in found]
    todo = [work for work in works if overwrite or not os.path.exists(work[1])]
    if len(todo) < len(works):
        echo(f"{len(works) - len(todo)} of {len(works)} pictures are done already")
    return todo, unread


def pictures(source: str) -> tuple[Path, list[Path], list[str]]:
    """Search a folder, and all below it, or by a pattern: where, what, and what was in the way."""
    unread = []

    def refused(error: OSError) -> None:
        unread.append(f"{error.filename} cannot be read ({error.strerror}): make it readable")

    if os.path.isdir(source):
        root = Path(source)
        walk = os.walk(root, onerror=refused)
        paths = {Path(folder, name) for folder, _, names in walk for name in names}
    else:
        parts = takewhile(lambda part: not glob.has_magic(part), Path(source).parts)
        root = Path(*parts)
        paths = set(map(Path, glob.glob(source, recursive=True)))
    return root, sorted(path for path in paths if path.suffix.lower() in SUFFIXES), unread


if __name__ == "__main__":
    main()
