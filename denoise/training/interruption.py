"""The end of a run by a signal: a checkpoint within a step, then the status of the signal."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from denoise.training.checkpoints import RunCheckpoint

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedRunError(RuntimeError):
    """A run was ended by a signal, after its checkpoint was written.

    Args:
        number: Of the signal.
        step: Training steps that are done.
        checkpoint: Where to go on from.
    """

    def __init__(self, number: int, step: int, checkpoint: Path) -> None:
        self.status = 128 + number  # as a shell reports a process that a signal ended
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name} after step {step}: go on with the same command and "
            f"resume={checkpoint}, or resume=auto"
        )


class Interruption(Callback):
    """Ends the run at the next step after SIGINT or SIGTERM, on all processes alike.

    A signal during validation is answered when that ends. A second SIGINT ends the process at once.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to the signals, in place of Lightning, which would end with status 0."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write the last checkpoint and end the run, if any process has had a signal.

        Raises:
            InterruptedRunError: If so.
        """
        number = self._number
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(
            bool(number), all=False
        ):
            number = number or signal.SIGTERM
        # Between the batches of one optimizer step a checkpoint would lose those done.
        if not number or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        last = next(
            callback
            for callback in trainer.checkpoint_callbacks
            if isinstance(callback, RunCheckpoint) and callback.monitor is None
        )
        path = Path(str(last.dirpath)) / f"{last.filename}.ckpt"
        trainer.save_checkpoint(path)
        raise InterruptedRunError(number, trainer.global_step, path)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._number = number
