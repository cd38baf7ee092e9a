"""Clean pictures: python scripts/restore.py checkpoint=PATH input=photo.jpg output=clean.png."""

import glob
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from denoise.allocator import keep_freed_memory
from denoise.data.crops import to_float
from denoise.data.photo import FORMATS, Photo, read_photo, write_photo
from denoise.data.read import ImageError
from denoise.evaluation.baselines import estimate_sigma
from denoise.inference.memory import parse_memory
from denoise.inference.restore import Report, Restorer
from denoise.launch import launch
from denoise.study.tables import show
from denoise.training.checkpoint import open_model


@launch
def main(config: DictConfig) -> None:
    """Restore a picture or many; those that fail are listed at the end."""
    keep_freed_memory(large=False)  # what is kept has holes, and memory is bounded here
    works = plan(str(config.input), Path(config.output), config.overwrite)
    if config.device == "auto":
        config.device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.precision not in ("auto", "32", 32, "bf16"):
        raise ValueError(f"precision={config.precision} is unknown: choose auto, 32 or bf16")
    net, made = open_model(config.checkpoint)
    model = made["backbone"]
    gains = config.device != "cpu" if config.precision == "auto" else config.precision == "bf16"
    restorer = Restorer(
        net.to(config.device), model["in_channels"],
        memory=parse_memory(config.memory) - resident(), tiles=config.tiles,
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
                asks = model["sigma_map"]
                clean, lines = restored(photo, restorer, config.sigma, asks, bar, place)
                lines += write_photo(clean, target, overwrite=config.overwrite)
                show(f"{source} -> {target}", *(f"    {line}" for line in lines))
            except (ImageError, ValueError) as error:
                failed.append(f"{source}: {error}".replace(f"{source}: {source}", str(source)))
                show(f"failed: {failed[-1]}")
    if failed:
        lines = "\n  ".join(failed)
        sys.exit(f"error: {len(failed)} of {len(works)} pictures failed:\n  {lines}")


def resident() -> int:
    """Bytes that this process holds already."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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

    pages, lines = [], list(photo.notes)
    for page in photo.pages:
        level = sigma
        if asks and sigma is None:
            level = estimate_sigma(middle(page))
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


def middle(page: np.ndarray) -> torch.Tensor:
    """The middle of a page, at most 1024 x 1024 pixels, as (1, C, h, w) in [0, 1]."""
    top, left = (max(0, (n - 1024) // 2) for n in page.shape[:2])
    part = torch.from_numpy(page[top : top + 1024, left : left + 1024].copy())
    return to_float(part).permute(2, 0, 1)[None]


def plan(source: str, target: Path, overwrite: bool) -> list[tuple[Path, Path]]:
    """Pair inputs with outputs; of a folder or pattern, those that exist already are done."""
    if Path(source).is_file() or not (Path(source).is_dir() or glob.has_magic(source)):
        if target.is_dir():
            target = target / Path(source).name
        return [(Path(source), target)]
    works = list(pairs(source, target))
    if not works:
        raise ValueError(f"input={source} holds no {', '.join(sorted(FORMATS))} files")
    todo = [work for work in works if overwrite or not work[1].exists()]
    if len(todo) < len(works):
        show(f"{len(works) - len(todo)} of {len(works)} pictures are done already")
    return todo


def pairs(source: str, target: Path) -> Iterator[tuple[Path, Path]]:
    """Pair the pictures of a folder, with those below, or of a pattern with places in target."""
    if target.suffix.lower() in FORMATS:
        raise ValueError(f"output={target} is one picture, but input={source} may be several")
    if Path(source).is_dir():
        for path in sorted(Path(source).rglob("*")):
            if path.suffix.lower() in FORMATS and target not in path.parents:
                yield path, target / path.relative_to(source)
    else:
        for path in sorted(map(Path, glob.glob(source, recursive=True))):
            if path.suffix.lower() in FORMATS:
                yield path, target / path.name


if __name__ == "__main__":
    main()
