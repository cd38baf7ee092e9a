"""Writing of checkpoints so that a kill or a full disk leaves the last good one."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from denoise.errors import is_disk_full


class DiskFullError(OSError):
    """A file could not be written for want of space."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, to the disk, and then renames it.

    The target is the old checkpoint or the whole new one at any moment. What a kill leaves is one
    hidden file, which the next save to the same target replaces.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            DiskFullError: If it could not be written; the old one is kept.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        try:
            with draft.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                draft.unlink()
            if is_disk_full(error):
                raise DiskFullError(
                    f"{path}: no space left to write it; the checkpoint before it is kept: free "
                    "some and go on with resume=auto"
                ) from error
            raise
