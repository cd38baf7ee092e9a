"""Reading of weights from files that are not trusted: plain tensors, never code."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from denoise.errors import is_out_of_memory

PROGRAMS = (".onnx", ".pt2")


class CheckpointError(ValueError):
    """A file that is not a checkpoint of this project, or is not safe to load."""


def read_weights(path: str | Path) -> Any:
    """Read the contents of a weights file without executing anything in it.

    Args:
        path: a file of `torch.save`, or .safetensors.

    Raises:
        CheckpointError: if the file is missing, damaged or holds more than plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give the path of a weights file")
    if path.suffix in PROGRAMS:
        raise CheckpointError(
            f"{path}: is an exported program: give the checkpoint it was made from, or its folder "
            "with model.safetensors"
        )
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if path.suffix == ".safetensors":
            return load_file(path)
        if start == b"PK\3\4":
            _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of files refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"{path}: not readable by you: change its permissions") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise CheckpointError(f"{path}: too little memory to load it: free some") from error
        message = str(error)
        # torch takes a text file for a pickle with unsupported operands
        if "weights_only" in message and (
            start.startswith((b"\x80", b"PK\3\4")) or "Unsupported operand" not in message
        ):
            raise CheckpointError(
                f"{path}: holds more than weights, and code in a file is never run: ask for the "
                "weights as .safetensors or a plain state dict"
            ) from error
        raise CheckpointError(
            f"{path}: not a checkpoint, or a damaged one: download or train it again"
        ) from error


def _check_archive(path: Path) -> None:
    """Check the checksums that torch.save writes and torch.load does not read.

    Raises:
        CheckpointError: if one is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # torch stores; the checksum of what is compressed would take time without bounds
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
            wrong = archive.testzip() if stored else None
    except zipfile.BadZipFile:
        return  # torch says what it is
    if wrong is not None:
        raise CheckpointError(f"{path}: is damaged: copy, download or train it again")
