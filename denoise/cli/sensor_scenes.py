"""Find and read the frames of scenes that a camera is calibrated with."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from denoise.image_io.find_images import list_images
from denoise.image_io.formats import SUFFIXES
from denoise.image_io.sensor import RAW_SUFFIXES, SensorFrame, read_sensor
from denoise.noise.temporal import clipped_below


class Scene(NamedTuple):
    """Files of one scene at one ISO, and the picture of it without noise, if there is one."""

    iso: float
    files: list[Path]
    reference: Path | None = None

    @property
    def is_dark(self) -> bool:
        """Whether the lens was covered."""
        return self.files[0].parent.name.lower().startswith("dark")


class Loaded(NamedTuple):
    """A scene's frames as stored, and the values of black and white in each."""

    name: str
    frames: list[SensorFrame]
    reference: SensorFrame | None
    black: float | None
    white: float | None

    def planes(self) -> Iterator[tuple[list[np.ndarray], np.ndarray | None]]:
        """Yield the frames of each plane, and their reference, 0 at black and 1 at white."""
        for channel in range(self.frames[0].planes.shape[2]):
            scaled = [self._scaled(frame, channel) for frame in self.frames]
            clean = None if self.reference is None else self._scaled(self.reference, channel)
            yield scaled, clean

    def _scaled(self, frame: SensorFrame, channel: int) -> np.ndarray:
        low = frame.black or 0.0 if self.black is None else self.black
        high = frame.white if self.white is None else self.white
        if not low < high:
            raise ValueError(f"black={low:g} and white={high:g}: black lies below white")
        if channel >= frame.planes.shape[2]:
            raise ValueError(f"{self.name}: the pictures of a scene differ in their channels")
        return (frame.planes[..., channel].astype(np.float64) - low) / (high - low)


def find_scenes(frames: str, reference: str | None) -> list[Scene]:
    """Return the scenes: the frames of one ISO in a folder, or each file that has a reference.

    Args:
        frames: A folder, searched with those in it; or one picture.
        reference: A folder with files of the same names.

    Raises:
        ValueError: If there are none, or a frame is alone.
    """
    given = Path(frames).expanduser()
    suffixes = (*SUFFIXES, *RAW_SUFFIXES)
    if given.is_file():
        folder, names = given.parent, [Path(given.name)]
    elif given.is_dir():
        folder, names = given, list_images(given, suffixes=suffixes)
    else:
        raise ValueError(f"frames={given} does not exist: give a folder of frames")
    if not names:
        raise ValueError(f"frames={given} holds no {', '.join(sorted(suffixes))} files")
    if reference is not None:
        clean = Path(reference).expanduser()
        if missing := [name for name in names if not (clean / name).is_file()]:
            raise ValueError(f"reference={clean} has no {missing[0]}: names are those of frames")
        return [Scene(_iso(folder, name), [folder / name], clean / name) for name in names]
    groups: dict[tuple[Path, float], list[Path]] = {}
    for name in names:
        groups.setdefault((name.parent, _iso(folder, name)), []).append(folder / name)
    if few := [files[0] for files in groups.values() if len(files) == 1 and len(names) > 1]:
        raise ValueError(
            f"{few[0].parent} holds one frame, {few[0].name}: two or more of each scene are needed"
        )
    return [Scene(iso, files) for (_, iso), files in groups.items()]


def _iso(folder: Path, name: Path) -> float:
    """Return the ISO that the name of a file or of a folder above it states; 0 for none."""
    for part in reversed((folder.resolve().name, *name.parts)):
        if found := re.search(r"iso[ _-]?(\d+)", part, re.IGNORECASE):
            return float(found[1])
    return 0.0


def black_of_darks(scenes: Sequence[Scene], mosaic: str | None) -> float | None:
    """Return the mean of the dark frames among scenes of one ISO; None without any."""
    darks = [file for scene in scenes if scene.is_dark for file in scene.files]
    if not darks:
        return None
    levels = []
    for file in darks:
        planes = read_sensor(file, mosaic).planes
        clipped = clipped_below(planes) == planes.min()  # their mean lies above black
        levels.append(np.median(planes) if clipped else planes.mean())
    return float(np.mean(levels))


def load(scene: Scene, mosaic: str | None, black: float | None, white: float | None) -> Loaded:
    """Read the files of a scene.

    Args:
        scene: From `find_scenes`.
        mosaic: As for `read_sensor`.
        black: Value of black; None takes that of each file, else 0.
        white: Value of white; None takes that of each file.
    """
    frames = [read_sensor(file, mosaic) for file in scene.files]
    clean = None if scene.reference is None else read_sensor(scene.reference, mosaic)
    return Loaded(str(scene.files[0].parent), frames, clean, black, white)
