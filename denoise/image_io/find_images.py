"""Find the image files of a folder."""

import glob
import os
import re
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from pathlib import Path

from denoise.image_io import arrays
from denoise.image_io.formats import SUFFIXES

OF_SETS = (*SUFFIXES, ".gif", *arrays.SUFFIXES)  # restored pictures are of SUFFIXES alone
LISTS = (".txt", ".csv", ".tsv")


def find_images(folder: Path, public: str) -> dict[str, Path]:
    """Return the images below a folder by name, in natural order: 2 comes before 10.

    A name is the path within the folder without its suffix. Of a list file, the images are those
    of its lines, in their order; paths are relative to its folder.

    Args:
        folder: Searched as by `list_images`; or a list file, .txt or .csv.
        public: The public set that a user without the folder could fetch; empty for none.

    Raises:
        ValueError: If the folder is missing or holds no image.
    """
    folder = folder.expanduser()
    if folder.suffix.lower() in LISTS and folder.is_file():
        return _by_stem(folder.parent, [Path(row[0]) for row in read_list(folder, 1)])
    if not folder.is_dir():
        if folder.is_file() or glob.has_magic(str(folder)):
            what = "a file" if folder.is_file() else "a pattern"
            raise ValueError(f"{folder} is {what}: give the folder that holds the images")
        fetch = f", or, if it is a public set, get it with `denoise fetch-data {public}`"
        raise ValueError(
            f"no folder {folder}: say where your images are with data_dir=...{fetch * bool(public)}"
        )
    paths = list_images(folder, suffixes=OF_SETS)
    if not paths:
        fetch = f"; a public set comes with `denoise fetch-data {public}`" * bool(public)
        raise ValueError(
            f"no image in folder {folder}: it needs {', '.join(sorted(OF_SETS))} files{fetch}"
        )
    return _by_stem(folder, paths)


def _by_stem(folder: Path, paths: Sequence[Path]) -> dict[str, Path]:
    stems = [path.with_suffix("").as_posix() for path in paths]
    if len(set(stems)) < len(stems):  # a.jpg beside a.png
        stems = [path.as_posix() for path in paths]
    return {stem: folder / path for stem, path in zip(stems, paths, strict=True)}


def read_list(path: Path, columns: int) -> list[list[str]]:
    """Return the lines of a list file, split at tabs or commas; # begins a remark.

    Args:
        path: A text file.
        columns: Paths in each line.

    Raises:
        ValueError: If a line has another number of paths, a path comes twice, or there is none.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    rows, seen = [], set()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: save the list as such") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = [cell.strip() for cell in line.split(separator)] if columns > 1 else [line.strip()]
        if len(row) != columns or not all(row):
            raise ValueError(
                f"{path}, line {number}: {len(row)} paths, where {columns} are needed, such as "
                f"{separator.join(('noisy.png', 'clean.png'))}"
            )
        if row[0] in seen:
            raise ValueError(f"{path}, line {number}: {row[0]} comes twice, remove one")
        seen.add(row[0])
        rows.append(row)
    if not rows:
        raise ValueError(
            f"{path} names no images: write the path of one in each line, or give a folder"
        )
    return rows


def match_images(pattern: str) -> dict[str, Path]:
    """Return the images that match a pattern, by what stands for its asterisks.

    Args:
        pattern: A path such as photos/*_NOISY_*.png; an asterisk may stand for folders as well.

    Raises:
        ValueError: If none matches, or two by the same text.
    """
    parts = Path(pattern).expanduser().parts
    fixed = list(takewhile(lambda part: not glob.has_magic(part), parts))
    root, rest = Path(*fixed), "/".join(parts[len(fixed) :])
    expression = re.compile("(.*)".join(map(re.escape, rest.split("*"))) + r"(?:\.[^./]*)?")
    found: dict[str, Path] = {}
    for path in list_images(root, suffixes=OF_SETS) if root.is_dir() else ():
        if match := expression.fullmatch(path.as_posix()):
            key = "_".join(match.groups()).removesuffix(path.suffix)
            if key in found:
                raise ValueError(f"{found[key]} and {root / path} match {pattern} by the same text")
            found[key] = root / path
    if not found:
        raise ValueError(f"no image matches {pattern}: an asterisk stands for any text")
    return found


def list_images(
    folder: Path,
    onerror: Callable[[OSError], None] | None = None,
    suffixes: Collection[str] = tuple(SUFFIXES),
) -> list[Path]:
    """Return the paths within a folder of all images below it, in natural order.

    Hidden files and folders are left out. Links to folders are followed; a folder that is reached
    twice, as in a loop, is searched once.

    Args:
        folder: Searched recursively.
        onerror: Called with the error of a folder that cannot be read.
        suffixes: Those of images; the folder of a Zarr array is one file.
    """
    images: list[Path] = []
    searched = {os.path.realpath(folder)}
    for parent, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        new = {os.path.realpath(Path(parent, name)): name for name in sorted(folders, reverse=True)}
        stores = [name for name in folders if name.lower().endswith(".zarr")]
        folders[:] = sorted(
            name
            for real, name in new.items()
            if name[0] != "." and real not in searched and name not in stores
        )
        searched.update(new)
        images += [
            Path(parent, name).relative_to(folder)
            for name in (*names, *stores)
            if name[0] != "." and Path(name).suffix.lower() in suffixes
        ]
    return sorted(images, key=lambda path: _natural(path.as_posix()))


def _natural(name: str) -> str:
    return re.sub(r"\d+", lambda number: number[0].zfill(20), name.lower())
