"""Find the image files of a folder."""

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path

from denoise.image_io.formats import SUFFIXES


def find_images(folder: Path, public: str) -> dict[str, Path]:
    """Return the images below a folder by name, in natural order: 2 comes before 10.

    A name is the path within the folder without its suffix.

    Args:
        folder: Searched as by `list_images`.
        public: The public set that a user without the folder could fetch; empty for none.

    Raises:
        ValueError: If the folder is missing or holds no image.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        if folder.is_file() or glob.has_magic(str(folder)):
            what = "a file" if folder.is_file() else "a pattern"
            raise ValueError(f"{folder} is {what}: give the folder that holds the images")
        fetch = f", or, if it is a public set, get it with `denoise fetch-data {public}`"
        raise ValueError(
            f"no folder {folder}: say where your images are with data_dir=...{fetch * bool(public)}"
        )
    paths = list_images(folder)
    if not paths:
        fetch = f"; a public set comes with `denoise fetch-data {public}`" * bool(public)
        raise ValueError(
            f"no image in folder {folder}: it needs {', '.join(sorted(SUFFIXES))} files{fetch}"
        )
    stems = [path.with_suffix("").as_posix() for path in paths]
    if len(set(stems)) < len(stems):  # a.jpg beside a.png
        stems = [path.as_posix() for path in paths]
    return {stem: folder / path for stem, path in zip(stems, paths, strict=True)}


def list_images(folder: Path, onerror: Callable[[OSError], None] | None = None) -> list[Path]:
    """Return the paths within a folder of all images below it, in natural order.

    Hidden files and folders are left out. Links to folders are followed; a folder that is reached
    twice, as in a loop, is searched once.

    Args:
        folder: Searched recursively.
        onerror: Called with the error of a folder that cannot be read.
    """
    images: list[Path] = []
    searched = {os.path.realpath(folder)}
    for parent, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        new = {os.path.realpath(Path(parent, name)): name for name in sorted(folders, reverse=True)}
        folders[:] = sorted(
            name for real, name in new.items() if name[0] != "." and real not in searched
        )
        searched.update(new)
        images += [
            Path(parent, name).relative_to(folder)
            for name in names
            if name[0] != "." and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(images, key=lambda path: _natural(path.as_posix()))


def _natural(name: str) -> str:
    return re.sub(r"\d+", lambda number: number[0].zfill(20), name.lower())
