"""Measure the noise of a camera: denoise calibrate-noise frames=FOLDER output=noise.json."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from denoise.cli.hydra_main import hydra_main
from denoise.image_io.find_images import list_images
from denoise.image_io.formats import SUFFIXES
from denoise.image_io.sensor import RAW_SUFFIXES, SensorFrame, read_sensor
from denoise.noise.calibration import (
    Tiles,
    correlation,
    fit_line,
    is_white,
    row_deviation,
    tiles_of_frames,
    tiles_of_image,
)
from denoise.noise.profile import Level, write_profile
from denoise.results.calibration_page import Measured, write_page
from denoise.results.tables import echo, markdown


class Scene(NamedTuple):
    """Frames of one scene at one ISO: planes (H, W), 0 at black and 1 at white, by frame."""

    iso: float
    frames: list[list[np.ndarray]]
    developed: bool


def calibrate(config: DictConfig) -> None:
    """Fit the noise at every ISO, write a profile and a page, and print the line that trains."""
    output = Path(config.output).expanduser()
    if output.exists() and not config.overwrite:
        raise ValueError(f"{output} exists: set overwrite=true or choose another output")
    scenes = _read_scenes(config)
    measured = [
        _measure(iso, [s for s in scenes if s.iso == iso])
        for iso in sorted({scene.iso for scene in scenes})
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    write_profile(output, str(config.camera), [one.level for one in measured])
    echo(markdown([_row(one.level) for one in measured]))
    command = f"denoise train noise=camera noise.profile={output}"
    page = output.with_suffix(".html")
    write_page(page, str(config.camera), measured, command)
    for one in measured:
        for note in one.notes:
            echo(f"ISO {one.level.iso:g}: {note}" if one.level.iso else note)
    echo(f"profile  {output}", f"page     {page}", "", command)


def _read_scenes(config: DictConfig) -> list[Scene]:
    """Read the frames, of each folder as one scene.

    Raises:
        ValueError: If there are none.
    """
    given = Path(config.frames).expanduser()
    suffixes = (*SUFFIXES, *RAW_SUFFIXES)
    if given.is_file():
        groups = {given.parent: [given]}
    elif given.is_dir():
        groups = {}
        for path in list_images(given, suffixes=suffixes):
            groups.setdefault((given / path).parent, []).append(given / path)
    else:
        raise ValueError(f"frames={given} does not exist: give a folder of frames")
    if not groups:
        raise ValueError(f"frames={given} holds no {', '.join(sorted(suffixes))} files")
    single = len(groups) == 1 and sum(map(len, groups.values())) == 1
    if few := [str(folder) for folder, files in groups.items() if len(files) == 1 and not single]:
        raise ValueError(f"{few[0]} holds one frame: two or more of each scene are needed")
    console = Console(stderr=True)
    quiet = not console.is_terminal
    bar = track(groups.items(), "reading", transient=True, console=console, disable=quiet)
    stored = {folder: [read_sensor(file, config.mosaic) for file in files] for folder, files in bar}
    black = config.black
    darks = [f.planes.mean() for folder, ff in stored.items() if _is_dark(folder) for f in ff]
    if black is None and darks:
        black = float(np.mean(darks))
        echo(f"black is {black:.2f}, the mean of the dark frames")
    return [
        Scene(_iso(folder), [_scaled(f, black, config.white) for f in frames], frames[0].developed)
        for folder, frames in stored.items()
    ]


def _is_dark(folder: Path) -> bool:
    return folder.name.lower().startswith("dark")


def _iso(folder: Path) -> float:
    """Return the ISO that the name of a folder or of one above it states; 0 for none."""
    for part in reversed(folder.parts):
        if found := re.search(r"iso[ _-]?(\d+)", part, re.IGNORECASE):
            return float(found[1])
    return 0.0


def _scaled(frame: SensorFrame, black: float | None, white: float | None) -> list[np.ndarray]:
    low = frame.black or 0.0 if black is None else float(black)
    high = frame.white if white is None else float(white)
    if not low < high:
        raise ValueError(f"black={low:g} and white={high:g}: black lies below white")
    scaled = (frame.planes.astype(np.float64) - low) / (high - low)
    return [scaled[..., channel] for channel in range(scaled.shape[2])]


def _measure(iso: float, scenes: list[Scene]) -> Measured:
    """Fit the noise of one ISO to all scenes and planes of it."""
    notes, parts, rows, correlations = [], [], [], []
    approximate = all(len(scene.frames) == 1 for scene in scenes)
    for scene in scenes:
        for plane in zip(*scene.frames, strict=True):
            if approximate:
                parts.append(tiles_of_image(plane[0]))
                continue
            parts.append(tiles_of_frames(plane))
            rows.append(row_deviation(plane))
            correlations.append(correlation(plane))
    tiles = Tiles(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    fit = fit_line(tiles)
    table = np.mean(correlations, 0) if correlations else np.zeros((1, 1))
    nearby = float(np.abs(table).ravel()[1:].max(initial=0))
    row = float(np.median(rows)) if rows else 0.0
    if approximate:
        notes.append("from one image: approximate, two frames of one scene tell more")
    elif not is_white(table):
        notes.append(
            f"the noise is not white (correlation {nearby:.2f} with a pixel nearby): these values "
            "were developed or compressed, so the line describes them, not the sensor"
        )
    if any(scene.developed for scene in scenes):
        notes.append("JPEG is not linear: calibrate with raw files or undeveloped 16 bits")
    low, high = (max(end - row**2, 0.0) for end in fit.read_interval)
    level = Level(
        iso, fit.shot, max(fit.read - row**2, 0.0), row, fit.shot_interval, (low, high),
        fit.tiles, nearby, approximate,
    )  # fmt: skip
    example = None if approximate else [scenes[0].frames[n][0] for n in range(2)]
    return Measured(level, tiles, table, example, notes)


def _row(level: Level) -> dict[str, str]:
    return {
        "ISO": f"{level.iso:g}" if level.iso else "-",
        "shot (S)": f"{level.shot:.4g}",
        "S, 95 %": "{:.4g} to {:.4g}".format(*level.shot_interval),
        "read (O)": f"{level.read:.4g}",
        "O, 95 %": "{:.4g} to {:.4g}".format(*level.read_interval),
        "row": f"{level.row:.3g}",
        "tiles": f"{level.tiles}",
    }


main = hydra_main(calibrate)

if __name__ == "__main__":
    main()
