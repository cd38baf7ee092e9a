"""Decode image files once, into memory or, beyond a limit, into one memory-mapped file."""

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_images
from denoise.image_io.value_range import ValueRange
from denoise.option_checks import check_choice

_DECODER = 5  # increased when files decode to different pixels than before
_ABANDONED = 3600.0  # seconds
_FEW = 16  # without a progress bar

Decoded = tuple[dict[Path, list[np.ndarray]], dict[Path, ImageError]]
Outcome = tuple[Path, list[np.ndarray] | ImageError]


def decode(
    files: Sequence[Path],
    channels: int,
    *,
    cache_dir: str | Path | None,
    memory_limit: float,
    on_error: str,
    value_range: ValueRange = "auto",
) -> Decoded:
    """Return the (H, W, channels) images of the usable files, and the errors of those skipped.

    Args:
        files: Image files.
        channels: As in `read_images`.
        cache_dir: Where images beyond the limit are kept for later runs; None keeps all in memory.
        memory_limit: Decoded size up to which images stay in memory, in MiB.
        on_error: "raise" or "skip".
        value_range: As in `read_images`.

    Raises:
        ImageError: For the first unusable file, if errors are raised.
        ValueError: If images beyond the limit cannot be kept in cache_dir.
    """
    check_choice(("raise", "skip"), on_error=on_error)
    outcomes = _read_all(files, channels, on_error, value_range)
    if cache_dir is None:
        return _partition(outcomes)
    store = Path(cache_dir).expanduser() / _key(files, channels, on_error, value_range)
    if not _is_whole(store, len(files)):
        shutil.rmtree(store, ignore_errors=True)
        read, size = [], 0
        for outcome in outcomes:
            read.append(outcome)
            if not isinstance(outcome[1], ImageError):
                size += sum(image.nbytes for image in outcome[1])
            if size > memory_limit * 2**20:
                break
        else:
            return _partition(read)
        try:
            _write(store, chain(read, outcomes))
        except OSError as error:
            raise ValueError(
                f"the images exceed memory_limit={memory_limit:g} and cannot be cached in "
                f"{cache_dir} ({error.strerror}): raise memory_limit (MiB) or free space there"
            ) from error
    return _partition(_open(store, files))


def _partition(outcomes: Iterable[Outcome]) -> Decoded:
    images, errors = {}, {}
    for file, outcome in outcomes:
        if isinstance(outcome, ImageError):
            errors[file] = outcome
        else:
            images[file] = outcome
    return images, errors


def _read_all(
    files: Sequence[Path], channels: int, on_error: str, value_range: ValueRange
) -> Iterator[Outcome]:
    console = Console(stderr=True)
    quiet = len(files) < _FEW or not console.is_terminal
    for file in track(files, "Reading images", console=console, transient=True, disable=quiet):
        try:
            yield file, read_images(file, channels, value_range)
        except ImageError as error:
            if on_error == "raise":
                raise
            yield file, error


def _key(files: Sequence[Path], channels: int, on_error: str, value_range: ValueRange) -> str:
    stats = [
        # a broken link is reported when it is decoded
        (str(file.absolute()), file.stat() if file.exists() else file.lstat())
        for file in files
    ]
    properties = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    # The chunks of a Zarr array are files of their own.
    chunks = [part.stat() for file in files if file.is_dir() for part in sorted(file.rglob("*"))]
    properties += [["", stat.st_size, stat.st_mtime_ns] for stat in chunks]
    text = json.dumps([_DECODER, properties, channels, on_error, value_range])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _write(store: Path, outcomes: Iterable[Outcome]) -> None:
    _remove_abandoned(store.parent)
    temporary = store.with_name(f".{store.name}.{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        index: list[list[dict] | dict] = []
        with (temporary / "pixels.bin").open("wb") as file:
            file.write(bytes(8))  # an empty file cannot be mapped
            for _, images in outcomes:
                if isinstance(images, ImageError):
                    index.append({"error": str(images)})
                    continue
                entries = []
                for image in images:
                    offset = file.tell()
                    file.write(np.ascontiguousarray(image).data)
                    kept = {"shape": image.shape, "dtype": image.dtype.name, "offset": offset}
                    entries.append(kept)
                index.append(entries)
            size = file.tell()
        (temporary / "index.json").write_text(json.dumps({"size": size, "images": index}))
        try:
            temporary.rename(store)
        except OSError:
            if not store.exists():  # unless another run has written it
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_whole(store: Path, images: int) -> bool:
    """Return whether a store holds all that was written to it; a kill or a full disk may cut it."""
    try:
        index = json.loads((store / "index.json").read_text())
        size = (store / "pixels.bin").stat().st_size
        return index["size"] == size and len(index["images"]) == images
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed runs were writing: folders that nothing was written to for a while."""
    for path in folder.glob(".*.*/") if folder.is_dir() else ():
        try:
            written = max(entry.stat().st_mtime for entry in (path, *path.iterdir()))
        except OSError:  # another run has just renamed it
            continue
        if time.time() - written > _ABANDONED:
            shutil.rmtree(path, ignore_errors=True)


def _open(store: Path, files: Sequence[Path]) -> Iterator[Outcome]:
    # a plain view, because slicing a np.memmap itself is slow
    pixels = np.asarray(np.memmap(store / "pixels.bin", np.uint8, mode="r"))
    index = json.loads((store / "index.json").read_text())["images"]
    for file, entry in zip(files, index, strict=True):
        if "error" in entry:
            yield file, ImageError(entry["error"])
        else:
            yield (
                file,
                [np.ndarray(one["shape"], one["dtype"], pixels, one["offset"]) for one in entry],
            )
