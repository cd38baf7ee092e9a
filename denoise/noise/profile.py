"""The noise profile of a camera: a small JSON file, by ISO."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "denoise noise profile"
VERSION = 1
UNIT = "1 is white, 0 is black"
LARGEST_FILE = 2**20  # bytes
MOST_LEVELS = 1000


class Level(NamedTuple):
    """The noise at one ISO, in linear values of 0 at black to 1 at white.

    Args:
        iso: As the camera names it; 0 where it is not known.
        shot: Variance a unit of signal; S of a DNG's NoiseProfile.
        read: Variance at zero; O there.
        row: Standard deviation of what a row shares.
        shot_interval: Of 95 %.
        read_interval: Likewise.
        tiles: Number of tiles of 8 x 8 pixels that it was fitted to.
        correlation: The largest of the noise with that of a pixel nearby; 0 for raw values.
        approximate: Whether it is from one image.
    """

    iso: float
    shot: float
    read: float
    row: float = 0.0
    shot_interval: tuple[float, float] = (math.nan, math.nan)
    read_interval: tuple[float, float] = (math.nan, math.nan)
    tiles: int = 0
    correlation: float = 0.0
    approximate: bool = False


def write_profile(path: Path, camera: str, levels: Sequence[Level]) -> None:
    """Write the noise of a camera at each ISO."""
    kept = [
        {key: value for key, value in level._asdict().items() if not _is_undefined(value)}
        for level in levels
    ]
    content = {
        "format": FORMAT, "version": VERSION, "camera": camera, "unit": UNIT, "levels": kept,
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_profile(path: str | Path) -> list[Level]:
    """Read the levels of a profile, by rising shot noise.

    Raises:
        ValueError: If the file is no profile, or a number in it cannot be one.
    """
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise ValueError("it is of another format")
        if content.get("version") != VERSION:
            raise ValueError(f"it is of version {content.get('version')}, not {VERSION}")
        entries = content.get("levels")
        if not isinstance(entries, list) or not 0 < len(entries) <= MOST_LEVELS:
            raise ValueError("it has no levels")
        return sorted((_level(entry) for entry in entries), key=lambda level: level.shot)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): check noise.profile") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no noise profile ({error}): denoise calibrate-noise writes one"
        ) from None


def _level(entry: Any) -> Level:
    if not isinstance(entry, Mapping):
        raise ValueError("a level is no mapping")
    iso, shot, read, row = (entry.get(key, 0.0) for key in ("iso", "shot", "read", "row"))
    for name, value in (("iso", iso), ("shot", shot), ("read", read), ("row", row)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value!r}")
    if not 0 < shot <= 1 or not 0 <= read <= 1 or not 0 <= row <= 1:
        raise ValueError(f"shot {shot:g}, read {read:g} and row {row:g} lie beyond white")
    return Level(float(iso), float(shot), float(read), float(row))


def _is_undefined(value: Any) -> bool:
    ends = value if isinstance(value, tuple) else (value,)
    return any(isinstance(end, float) and math.isnan(end) for end in ends)
