"""Decode image files once: into memory, or into one memory-mapped file where they are too many."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from denoise.image_io.read import ImageError, read_header, read_image

_FEW = 16  # files that need no progress bar


def decode(
    files: Sequence[Path],
    channels: int,
    *,
    cache_dir: str | Path | None,
    memory_limit: float,
    on_error: str,
) -> list[np.ndarray | ImageError]:
    """Return every file's (H, W, channels) pixels, or its error where errors are skipped.

    Args:
        files: Image files.
        channels: As in `read_image`.
        cache_dir: Where images beyond the limit are kept for later runs; None keeps all in memory.
        memory_limit: Decoded size up to which images stay in memory, in MiB.
        on_error: "raise" or "skip".

    Raises:
        ImageError: For the first unusable file, if errors are raised.
        ValueError: If images beyond the limit cannot be kept in cache_dir.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error}, but it is raise or skip")
    images = _read_all(files, channels, on_error)
    if cache_dir is None:
        return list(images)
    store = Path(cache_dir).expanduser() / _key(files, channels, on_error)
    if not store.exists():
        mebibytes = sum(_decoded_bytes(file, channels) for file in files) / 2**20
        if mebibytes <= memory_limit:
            return list(images)
        try:
            _write(store, images)
        except OSError as error:
            raise ValueError(
                f"{mebibytes:.0f} MiB of images exceed memory_limit={memory_limit:g} and cannot be "
                f"cached in {cache_dir} ({error.strerror}): raise memory_limit or make room there"
            ) from error
    return list(_open(store))


def _read_all(
    files: Sequence[Path], channels: int, on_error: str
) -> Iterator[np.ndarray | ImageError]:
    console = Console(stderr=True)
    quiet = len(files) < _FEW or not console.is_terminal
    for file in track(files, "Reading images", console=console, transient=True, disable=quiet):
        try:
            yield read_image(file, channels)
        except ImageError as error:
            if on_error == "raise":
                raise
            yield error


def _decoded_bytes(file: Path, channels: int) -> int:
    with suppress(ImageError):  # decoding will report it
        header = read_header(file)
        return header.height * header.width * header.itemsize * channels
    return 0


def _key(files: Sequence[Path], channels: int, on_error: str) -> str:
    stats = [
        # a link that leads nowhere is reported as it is decoded
        (str(file.absolute()), file.stat() if file.exists() else file.lstat())
        for file in files
    ]
    properties = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return hashlib.sha256(json.dumps([properties, channels, on_error]).encode()).hexdigest()[:24]


def _write(store: Path, images: Iterable[np.ndarray | ImageError]) -> None:
    temporary = store.with_name(f".{store.name}.{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        index = []
        with (temporary / "pixels.bin").open("wb") as file:
            file.write(bytes(8))  # an empty file cannot be mapped
            for image in images:
                if isinstance(image, ImageError):
                    index.append({"error": str(image)})
                else:
                    place = {"at": file.tell(), "shape": image.shape, "dtype": image.dtype.name}
                    index.append(place)
                    file.write(np.ascontiguousarray(image).data)
        (temporary / "index.json").write_text(json.dumps(index))
        try:
            temporary.rename(store)
        except OSError:
            if not store.exists():  # else another run was faster
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(store: Path) -> Iterator[np.ndarray | ImageError]:
    # a plain view, because slicing a np.memmap itself is slow
    pixels = np.asarray(np.memmap(store / "pixels.bin", np.uint8, mode="r"))
    for entry in json.loads((store / "index.json").read_text()):
        if "error" in entry:
            yield ImageError(entry["error"])
        else:
            yield np.ndarray(entry["shape"], entry["dtype"], pixels, entry["at"])
