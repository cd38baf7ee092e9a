"""Lightning callbacks: averaged weights, pictures in the logs, a progress bar."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar, WeightAveraging
from pytorch_lightning.utilities.types import STEP_OUTPUT
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from denoise.results.figures import comparison_strip
from denoise.training.loggers import log_picture, shows_pictures
from denoise.training.module import DenoisingModule


class EMA(WeightAveraging):
    """Exponential moving average of the weights, used for validation and in checkpoints.

    Args:
        decay: Weight of the old average; at most (1 + n) / (10 + n) after n updates, so that the
            average of a short run forgets its initial weights.
    """

    def __init__(self, decay: float) -> None:
        def average(averages: list[Tensor], currents: list[Tensor], count: Tensor) -> None:
            ramp = (1 + float(count)) / (10 + float(count))
            get_ema_multi_avg_fn(min(decay, ramp))(averages, currents, count)

        super().__init__(use_buffers=False, multi_avg_fn=average)


class Pictures(Callback):
    """Writes noisy, restored and clean side by side, with scores, to all logs that show pictures.

    Args:
        count: Number of validation images that are written at each validation.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the comparison strip of one validation image."""
        assert isinstance(pl_module, DenoisingModule)
        assert isinstance(outputs, dict)
        loggers = [logger for logger in trainer.loggers if shows_pictures(logger)]
        if loggers and batch_idx < self.count:
            picture = comparison_strip(**outputs, score=pl_module.protocol.score)
            name = f"val/{batch['set'][0]}/{batch['name'][0]}"
            for logger in loggers:
                log_picture(logger, name, picture, trainer.global_step)


class TrainingProgress(ProgressBar):
    """Shows a bar with loss, PSNR and images per second, and prints a line per validation."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console()
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self.images_per_second = 0.0
        self._images, self._seconds = 0, 0.0

    def disable(self) -> None:
        """Hide the bar; Lightning calls this on all processes but the first."""
        self._bar.disable = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the bar."""
        self._task = self._bar.add_task("", total=1.0, text="")
        self._bar.start()
        self._last_time = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
    ) -> None:
        """Advance the bar; stop the run, after one more validation, at the last step."""
        assert isinstance(pl_module, DenoisingModule)
        now = time.perf_counter()
        self._images += len(batch["clean"]) * trainer.world_size
        self._seconds += now - self._last_time
        self._last_time = now
        self.images_per_second = self._images / self._seconds
        values = self.get_metrics(trainer, pl_module)
        loss, psnr = values.get("train/loss"), values.get("val/psnr")
        text = f"step {trainer.global_step}" + (
            f"/{trainer.max_steps}" if trainer.max_steps > 0 else ""
        )
        text += f"  loss {loss:.4f}" if loss is not None else ""
        text += f"  PSNR {psnr:.2f} dB" if psnr is not None else ""
        text += f"  {self.images_per_second:.1f} images/s"
        self._bar.update(self._task, completed=pl_module.progress(), text=text)
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # Lightning validates before it stops, if asked to

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the scores, and keep validation out of the images per second."""
        if not trainer.sanity_checking and not self._bar.disable:
            values = trainer.callback_metrics
            if "val/psnr" in values:
                scores = f"val PSNR {values['val/psnr']:.2f} dB  SSIM {values['val/ssim']:.4f}"
            else:
                scores = f"val objective {-values['val/objective']:.5f} (no clean images: no PSNR)"
            self._console.print(
                f"step {trainer.global_step:>6}  loss {values.get('train/loss', torch.nan):.4f}  "
                f"{scores}  {self.images_per_second:.1f} images/s"
            )
        self._last_time = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar."""
        self._bar.stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Remove the bar, so that the error stays readable."""
        self._bar.stop()
