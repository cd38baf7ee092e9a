"""Restore pictures: denoise restore checkpoint=PATH input=photo.jpg output=clean.png."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.errors import first_line, is_out_of_memory
from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_photo
from denoise.image_io.value_range import parse_range
from denoise.image_io.write import check_target, write_photo
from denoise.inference.batch import Batch, pair_paths, restore_photo
from denoise.inference.done import digest, made_with, note
from denoise.inference.memory import memory_budget, parse_memory
from denoise.inference.restorer import Restorer
from denoise.malloc import tune_malloc
from denoise.option_checks import check_choice
from denoise.results.model_card import PAIRED, trained_noise
from denoise.results.tables import echo
from denoise.weights.load import open_model


@hydra_main
def main(config: DictConfig) -> None:
    """Restore one picture or many; list those that fail at the end."""
    tune_malloc(large=False)  # memory is limited here, and malloc would keep fragments
    batch = pair_paths(str(config.input), Path(config.output), overwrite=config.overwrite)
    restorer, trained = load_restorer(config)
    takes_sigma = bool(trained["backbone"]["sigma_map"])
    advise = trained_noise(trained) != PAIRED
    declared = trained.get("range", "auto") if config.range is None else config.range
    value_range = parse_range(declared)
    options = {name: config[name] for name in ("sigma", "strength", "ensemble", "tiles")}
    options |= {"range": value_range} if value_range != "auto" else {}
    model = digest(restorer.net, options | {"bf16": restorer.autocast})
    folder = Path(config.output)
    if batch.done:
        echo(*_done_already(batch, folder, model))
    failed = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        for number, (source, target) in enumerate(batch.pairs, 1):
            task = bar.add_task(f"{number}/{len(batch.pairs)} {source.name}", total=None, speed="")

            def advance(pixels: int, task: TaskID = task) -> None:
                bar.advance(task, pixels)
                speed = bar.tasks[-1].speed
                bar.update(task, speed="" if speed is None else f"{speed / 1e6:.2f} Mpx/s")

            try:
                memory = parse_memory(config.memory)
                photo = read_photo(source, config.max_pixels, memory, value_range)
                check_target(photo, target, overwrite=config.overwrite)
                bar.update(task, total=sum(p.shape[0] * p.shape[1] for p in photo.pages))
                clean, lines = restore_photo(
                    photo, restorer, config.sigma, takes_sigma=takes_sigma, advance=advance,
                    value_range=value_range, advise=advise,
                )  # fmt: skip
                lines += write_photo(clean, target, overwrite=config.overwrite)
                note(folder, target, model)
                echo(f"{source} -> {target}", *(f"    {line}" for line in lines))
            except Exception as error:  # one picture takes no other along
                failed.append(_reason(source, error))
                echo(f"failed: {failed[-1]}")
            bar.remove_task(task)
    if failed or batch.unreadable:
        also = f" and {len(batch.unreadable)} of the folders" if batch.unreadable else ""
        reasons = "\n  ".join([*failed, *batch.unreadable])
        sys.exit(f"error: {len(failed)} of {len(batch.pairs)} pictures{also} failed:\n  {reasons}")


def _done_already(batch: Batch, folder: Path, model: str) -> Iterator[str]:
    """Yield lines on the pictures that are left as they are."""
    total, notes = len(batch.done) + len(batch.pairs), made_with(folder)
    same = sum(notes.get(picture) == model for picture in batch.done)
    if same:
        yield f"{same} of {total} pictures are done already, by this model with these options"
    if others := len(batch.done) - same:
        yield (
            f"{others} of {total} pictures are in {folder} already, but not by this model with "
            "these options, and stay as they are: overwrite=true restores them again"
        )


def _reason(source: Path, error: Exception) -> str:
    """Return a line on why a picture could not be restored."""
    if is_out_of_memory(error):
        return f"{source}: out of memory: lower memory, now the size that the process may take"
    if isinstance(error, ImageError | ValueError | OSError):
        return f"{source}: {error}".replace(f"{source}: {source}", str(source))
    return f"{source}: {type(error).__name__}: {first_line(error)}"


def load_restorer(config: DictConfig) -> tuple[Restorer, dict[str, Any]]:
    """Load the model to restore with; return it, and the config of its training."""
    device = choose_device(config.device)
    check_choice(("auto", "32", "bf16"), precision=str(config.precision))
    bf16 = device.type != "cpu" if config.precision == "auto" else config.precision == "bf16"
    net, trained = open_model(config.checkpoint)
    net, channels = net.to(device), trained["backbone"]["in_channels"]
    restorer = Restorer(
        net,
        channels,
        memory=memory_budget(parse_memory(config.memory), net, channels),
        tiles=config.tiles,
        ensemble=config.ensemble,
        strength=config.strength,
        autocast=bf16,
    )
    return restorer, trained


if __name__ == "__main__":
    main()
