"""Measure the noise of a camera: denoise calibrate-noise frames=FOLDER output=noise.json."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from denoise.cli.hydra_main import hydra_main
from denoise.cli.sensor_scenes import Loaded, Scene, black_of_darks, find_scenes, load
from denoise.noise.calibration import (
    Fit,
    Tiles,
    departure,
    fit_line,
    tiles_of_image,
    tiles_of_scene,
)
from denoise.noise.estimation import central_window
from denoise.noise.profile import Level, compare_dng, fit_isos, write_profile
from denoise.noise.temporal import (
    TemporalNoise,
    correlation,
    is_white,
    largest_correlation,
    temporal_noise,
)
from denoise.results.calibration_page import Measured, write_page
from denoise.results.tables import echo, markdown

MOVED = 0.03  # share of tiles off the line from which the user is told: of still scenes 0.001
UNEQUAL = 1.1  # ratio of gains of two planes, likewise
DEPARTURE = 1.3  # of the variance from the line, likewise
UNLIKE_DNG = 1.25  # ratio of the noise at mid-grey, likewise


def calibrate(config: DictConfig) -> None:
    """Fit the noise at every ISO, write a profile and a page, and print the line that trains."""
    output = Path(config.output).expanduser()
    page = output.with_suffix(".html")
    for path in (output, page):
        if path.exists() and not config.overwrite:
            raise ValueError(f"{path} exists: set overwrite=true or choose another output")
    scenes = find_scenes(config.frames, config.reference)
    isos = sorted({scene.iso for scene in scenes})
    if config.dng is not None and (len(isos) > 1 or len(config.dng) != 2):
        raise ValueError(f"dng={config.dng}: it is [S, O] of one ISO, and here are {len(isos)}")
    black, white = (None if v is None else float(v) for v in (config.black, config.white))
    blacks: dict[float, float | None] = dict.fromkeys(isos, black)
    if black is None:
        for iso in isos:
            blacks[iso] = black_of_darks([s for s in scenes if s.iso == iso], config.mosaic)
            if blacks[iso] is not None:
                echo(
                    f"black is {blacks[iso]:.2f}, of the dark frames"
                    + f" of ISO {iso:g}" * (iso > 0)
                )
    console = Console(stderr=True)
    bar = track(
        scenes, "measuring", transient=True, console=console, disable=not console.is_terminal
    )
    parts: dict[float, list[Part]] = {iso: [] for iso in isos}
    for scene in bar:  # one at a time: raw files of many ISOs exceed the memory together
        loaded = load(scene, config.mosaic, blacks[scene.iso], white)
        parts[scene.iso].append(_measure(scene, loaded))
    measured = [_fitted(iso, parts[iso]) for iso in isos]
    levels = [one.level for one in measured if one.level is not None]
    if config.dng is not None and levels:
        measured[0].notes.append(_against_dng(levels[0], *map(float, config.dng)))

    output.parent.mkdir(parents=True, exist_ok=True)
    command = f"denoise train noise=camera {shlex.quote(f'noise.profile={output}')}"
    write_page(page, str(config.camera), measured, command if levels else None)
    for one in measured:
        for note in one.notes:
            echo(f"ISO {one.iso:g}: {note}" if one.iso else note)
    if not levels:
        raise ValueError(f"this is not the noise of a sensor: {page} shows it, there is no profile")
    write_profile(output, str(config.camera), levels)
    echo(markdown([_row(level) for level in levels]))
    if line := fit_isos(levels):
        echo(
            f"across ISOs log read = {line.slope:.2f} log shot {line.offset:+.2f}, deviation "
            f"{line.deviation:.2f}; of random cameras it is 2.18, +1.20, 0.26"
        )
    echo(f"profile  {output}", f"page     {page}", "", command)


class Part(NamedTuple):
    """What one scene tells, by plane; the noise of one plane; whether the files were developed."""

    tiles: list[Tiles]
    rows: list[float]
    correlations: list[np.ndarray]
    example: TemporalNoise | None
    developed: bool


def _measure(scene: Scene, loaded: Loaded) -> Part:
    part = Part([], [], [], None, loaded.frames[0].developed)
    for frames, clean in loaded.planes():
        if len(frames) == 1 and clean is None:
            part.tiles.append(tiles_of_image(frames[0]))
            continue
        noise = temporal_noise(frames, clean)
        part.tiles.append(tiles_of_scene(noise, dark=scene.is_dark))
        part.rows.append(noise.row)
        part.correlations.append(correlation(noise))
        if part.example is None and not scene.is_dark:
            signal, deviations, variance = (central_window(array).copy() for array in noise[:3])
            example = noise._replace(signal=signal, noise=deviations, variance=variance)
            part = part._replace(example=example)
    return part


def _fitted(iso: float, parts: Sequence[Part]) -> Measured:
    """Fit the noise of one ISO to all scenes and planes of it."""
    tiles = _together([tiles for part in parts for tiles in part.tiles])
    correlations = [table for part in parts for table in part.correlations]
    table = np.mean(correlations, 0) if correlations else np.zeros((1, 1))
    example = next((part.example for part in parts if part.example is not None), None)
    notes = list(_notes_on_values(parts, table))
    try:
        fit = fit_line(tiles)
    except ValueError as error:
        return Measured(iso, None, tiles, table, example, [*notes, str(error)])
    rows = [row for part in parts for row in part.rows]
    # Correlated noise spreads the means of rows as row noise does.
    row = float(np.median(rows)) if rows and is_white(table) else 0.0
    level = Level(
        iso, fit.shot, fit.read, row, fit.shot_interval, fit.read_interval, fit.tiles,
        largest_correlation(table), approximate=not correlations,
    )  # fmt: skip
    return Measured(iso, level, tiles, table, example, [*notes, *_notes_on_fit(parts, fit)])


def _together(parts: Sequence[Tiles]) -> Tiles:
    return Tiles(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _notes_on_values(parts: Sequence[Part], table: np.ndarray) -> Iterator[str]:
    """Yield what the user should know of the files, a sentence each."""
    if table.size == 1:
        yield (
            "from one image: approximate; texture raises shot noise, and read noise is hardly "
            "known: take two frames of one scene"
        )
    elif not is_white(table):
        yield (
            f"the noise is not white (correlation {largest_correlation(table):.2f} with a pixel "
            "nearby): these values were developed, denoised or compressed, so the line describes "
            "them, not the sensor"
        )
    if any(part.developed for part in parts):
        yield "JPEG is not linear: calibrate with raw files or undeveloped 16 bits"


def _notes_on_fit(parts: Sequence[Part], fit: Fit) -> Iterator[str]:
    """Yield what makes the line doubtful, a sentence each."""
    if fit.moved > MOVED:
        yield (
            f"{fit.moved:.0%} of the tiles do not lie on the line and are left out: something "
            "moved, or the values are not linear"
        )
    off = departure(_together([tiles for part in parts for tiles in part.tiles]), fit)
    if off > DEPARTURE:
        yield (
            f"the variance departs from the line by up to {off:.2g} times: the values are not "
            "linear, and training with this profile would mislead"
        )
    number = {len(part.tiles) for part in parts}
    unlike = any(part.developed or not part.correlations for part in parts)
    if unlike or number == {1} or len(number) > 1:
        return
    try:
        planes = zip(*(part.tiles for part in parts), strict=True)
        fits = [fit_line(_together(tiles)) for tiles in planes]
    except ValueError:  # one plane is clipped
        return
    gains = [one.shot for one in fits]
    lows, highs = zip(*(one.shot_interval for one in fits), strict=True)
    if max(gains) > UNEQUAL * min(gains) and max(lows) > min(highs):
        yield (
            f"shot noise differs by plane ({', '.join(f'{gain:.3g}' for gain in gains)}): "
            "white balance or colours were applied, calibrate with files from before"
        )


def _against_dng(level: Level, shot: float, read: float) -> str:
    ratios = compare_dng(level, shot, read)
    listed = ", ".join(f"{name} {ratio:.3g} times" for name, ratio in ratios.items())
    unlike = not 1 / UNLIKE_DNG < ratios["mid-grey"] < UNLIKE_DNG
    doubt = ": are black= and white= right, and are the files undeveloped?" if unlike else ""
    return f"against the NoiseProfile: {listed}{doubt}"


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
