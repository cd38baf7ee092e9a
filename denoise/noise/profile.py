"""The noise profile of a camera: a small JSON file, by ISO."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import linregress

FORMAT = "denoise noise profile"
VERSION = 1
UNIT = "1 is white, 0 is black"
LARGEST_FILE = 2**20  # bytes
MOST_LEVELS = 1000
LARGEST = {"iso": 1e9, "shot": 1.0, "read": 1.0, "row": 1.0}
MID_GREY = 0.18  # of white


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


class IsoLine(NamedTuple):
    """Read noise over shot noise, across ISOs: log read = slope * log shot + offset.

    Args:
        slope: 2 where all noise is from before the amplifier, less with noise from behind it.
        offset: Of natural logarithms.
        deviation: Standard deviation of log read from the line.
    """

    slope: float
    offset: float
    deviation: float


def fit_isos(levels: Sequence[Level]) -> IsoLine | None:
    """Fit the line of Brooks et al. (2019, arXiv 1811.11127) to three ISOs or more; else None."""
    points = [(math.log(one.shot), math.log(one.read)) for one in levels if one.read > 0]
    if len({x for x, _ in points}) < 3:
        return None
    x, y = (np.array(column) for column in zip(*points, strict=True))
    found = linregress(x, y)
    off = y - (found.slope * x + found.intercept)
    deviation = math.sqrt((off**2).sum() / (len(x) - 2))
    return IsoLine(float(found.slope), float(found.intercept), deviation)


def compare_dng(level: Level, shot: float, read: float) -> dict[str, float]:
    """Return how many times the noise of a DNG's NoiseProfile a level is.

    Args:
        level: Measured.
        shot: S of the NoiseProfile, variance a unit of signal.
        read: O, variance at zero.

    Returns:
        Ratios of "shot" and "read", and of the standard deviation at "mid-grey"; infinity where
        the NoiseProfile states 0.

    Raises:
        ValueError: If S or O is no variance.
    """
    if not 0 < shot <= 1 or not 0 <= read <= 1:
        raise ValueError(f"S={shot} and O={read} are no NoiseProfile: S and O lie between 0 and 1")
    measured, stated = (s * MID_GREY + o for s, o in ((level.shot, level.read), (shot, read)))
    return {
        "shot": level.shot / shot,
        "read": level.read / read if read else math.inf,
        "mid-grey": math.sqrt(measured / stated),
    }


def write_profile(path: Path, camera: str, levels: Sequence[Level]) -> None:
    """Write the noise of a camera at each ISO."""
    kept = [
        {key: value for key, value in level._asdict().items() if not _is_undefined(value)}
        for level in levels
    ]
    content: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "camera": camera, "unit": UNIT, "levels": kept,
    }  # fmt: skip
    if line := fit_isos(levels):
        content["log_read_over_log_shot"] = line._asdict()
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
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise ValueError("it is of another format")
        version = content.get("version")
        if version != VERSION or isinstance(version, bool):
            raise ValueError(f"it is of version {str(version)[:40]}, not {VERSION}")
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
    found = {}
    for name, largest in LARGEST.items():
        value = entry.get(name, None if name in ("shot", "read") else 0.0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= largest or (name == "shot" and value == 0):
            raise ValueError(f"{name} is {repr(value)[:40]}, not a number from 0 to {largest:g}")
        found[name] = float(value)
    return Level(found["iso"], found["shot"], found["read"], found["row"])


def _is_undefined(value: Any) -> bool:
    ends = value if isinstance(value, tuple) else (value,)
    return any(isinstance(end, float) and math.isnan(end) for end in ends)
