"""The time from the start of a command to its first training step."""

import os
import time

from pytorch_lightning.callbacks import Callback


class ExitAfterFirstStep(Callback):
    """Prints the time since the command was started, and ends the process.

    Args:
        started: when the command was started, in seconds since 1970.
    """

    def __init__(self, started: float) -> None:
        self.started = started

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        """Print the seconds since the start."""
        print(f"first step after {time.time() - self.started:.3f} s", flush=True)  # noqa: T201
        os._exit(0)
