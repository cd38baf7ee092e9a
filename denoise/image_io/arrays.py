"""Images of a set in .npy files and Zarr arrays: one, or many along the first axis."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from denoise.image_io.errors import TooLargeError

SUFFIXES = (".npy", ".zarr")
DTYPES = ("uint8", "uint16", "int16", "float16", "float32", "float64")
# Of Zarr; others, such as pickle, could run code.
CODECS = (
    "blosc",
    "bytes",
    "crc32c",
    "gzip",
    "lz4",
    "transpose",
    "zlib",
    "zstd",
    "sharding_indexed",
)


def read(path: Path, channels: int, max_pixels: int) -> list[np.ndarray]:
    """Read the images of an array, (H, W, C) each; int16 and floats become float32.

    The array is (H, W), (H, W, C) or (C, H, W), or has an axis of images before these.

    Args:
        path: A .npy file, or the folder of a Zarr array or of an OME-Zarr image.
        channels: C; with 1, an array of three axes is a stack of grey images.
        max_pixels: The most that all images together may have.

    Raises:
        ValueError: If it is no such array, or holds no numbers that are pixels.
        TooLargeError: If it is larger.
    """
    array = _open_zarr(path) if path.suffix.lower() == ".zarr" else _open_npy(path)
    if str(array.dtype) not in DTYPES:
        raise ValueError(f"an array of {array.dtype}: save it as one of {', '.join(DTYPES)}")
    order = image_axes(array.shape, channels)
    pixels = int(np.prod(array.shape)) // channels
    if pixels > max_pixels:
        raise TooLargeError(f"{pixels} pixels, more than {max_pixels}: split it into several files")
    stack = np.asarray(array[...])
    if stack.dtype.kind in "fi":
        stack = stack.astype(np.float32, copy=False)
        if not np.isfinite(stack).all():
            raise ValueError("an array with infinite or undefined values")
    stack = stack.reshape(*stack.shape, *[1] * order.count(None))
    axes = [axis for axis in order if axis is not None]
    stack = stack.transpose(*axes, *range(len(axes), stack.ndim))
    return [np.ascontiguousarray(one) for one in (stack if stack.ndim == 4 else stack[None])]


def image_axes(shape: Sequence[int], channels: int) -> list[int | None]:
    """Return the axes in the order (images,) height, width, channels; None where one is missing.

    Raises:
        ValueError: If the shape is that of no images of so many channels.
    """
    if 0 in shape or not 2 <= len(shape) <= 4:
        raise ValueError(
            f"an array of shape {tuple(shape)}: give (images, height, width, channels)"
        )
    axes: list[int | None] = list(range(len(shape)))
    if len(shape) == 2:
        return [*axes, None]
    if shape[-1] in (channels, 1) or (channels in (1, 3) and shape[-1] in (3, 4)):
        return axes
    if shape[-3] == channels:
        return [*axes[:-3], axes[-2], axes[-1], axes[-3]]
    if len(shape) == 3 and channels in (1, 3):  # grey images
        return [*axes, None]
    raise ValueError(
        f"an array of shape {tuple(shape)}, but channels={channels} was asked for: neither its "
        "last axis nor the one before height and width has as many"
    )


def _open_npy(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise ValueError("no whole .npy file of numbers: save it with numpy.save") from error


def _open_zarr(path: Path) -> Any:
    """Open a Zarr array, or the largest one of an OME-Zarr image.

    Raises:
        ValueError: If it is damaged, of unknown codecs, or the reader is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise ValueError("a Zarr array: pip install 'denoise[zarr]' reads it") from error
    for file in path.rglob("*"):
        if file.name in (".zarray", "zarr.json"):
            _check_codecs(json.loads(file.read_text()))
    opened: Any = zarr.open(path, mode="r")
    try:
        if isinstance(opened, zarr.Group):
            attributes: Any = dict(opened.attrs)
            scales = attributes.get("ome", attributes)["multiscales"]
            opened = opened[scales[0]["datasets"][0]["path"]]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("a Zarr group without an image: give the folder of its array") from error
    return opened


def _check_codecs(metadata: Any) -> None:
    """Refuse codecs that might run code."""
    if isinstance(metadata, dict):
        for key in ("compressor", "filters", "codecs", "index_codecs"):
            value = metadata.get(key)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    name = one.get("id", one.get("name"))
                    if name not in CODECS:
                        raise ValueError(f"a Zarr array with the codec {name}, which is not known")
                    _check_codecs(one.get("configuration"))
