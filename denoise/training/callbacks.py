"""What happens beside the training step: progress, pictures, averaged weights."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar, WeightAveraging
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from denoise.results.figures import comparison_strip


class EMA(WeightAveraging):
    """Exponential moving average of the weights, used for validation and in checkpoints.

    Args:
        decay: weight of the old average; smaller at first, (1 + n) / (10 + n) after n updates, so
            that short runs do not remember their start.
    """

    def __init__(self, decay: float) -> None:
        def average(averages: list[Tensor], currents: list[Tensor], count: Tensor) -> None:
            ramp = (1 + float(count)) / (10 + float(count))
            get_ema_multi_avg_fn(min(decay, ramp))(averages, currents, count)

        super().__init__(use_buffers=False, multi_avg_fn=average)


class Pictures(Callback):
    """Writes noisy | restored | clean with PSNR and SSIM to TensorBoard at each validation.

    Args:
        count: how many of the validation images.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Tensor],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the strip of one validation image."""
        for logger in trainer.loggers if batch_idx < self.count else ():
            if isinstance(logger.experiment, SummaryWriter):
                picture = comparison_strip(**outputs, score=pl_module.protocol.score)
                name = f"val/{batch['set'][0]}/{batch['name'][0]}"
                logger.experiment.add_image(name, picture, trainer.global_step, dataformats="HWC")


class TrainingProgress(ProgressBar):
    """Bar with loss, validation PSNR and images per second; a line for every validation."""

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
        """Show no bar, as Lightning asks on all processes but the first."""
        self._bar.disable = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("", total=1.0, text="")
        self._bar.start()
        self._mark = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
    ) -> None:
        """Move the bar; ask for the last validation where the steps are spent."""
        now = time.perf_counter()
        self._images += len(batch["clean"]) * trainer.world_size
        self._seconds += now - self._mark
        self._mark = now
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
        """Print a line that stays, and leave validation out of the images per second."""
        if not trainer.sanity_checking and not self._bar.disable:
            values = trainer.callback_metrics
            self._console.print(
                f"step {trainer.global_step:>6}  loss {values.get('train/loss', torch.nan):.4f}  "
                f"val PSNR {values['val/psnr']:.2f} dB  SSIM {values['val/ssim']:.4f}  "
                f"{self.images_per_second:.1f} images/s"
            )
        self._mark = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away."""
        self._bar.stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away, so that the error can be read."""
        self._bar.stop()
