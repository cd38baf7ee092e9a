"""The Lightning data module: crops to train on, whole images to validate on."""

from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from denoise.data.crops import Crops, WholeImages
from denoise.data.sets import ImageSet


class Images(pl.LightningDataModule):
    """Batches of crops by slicing in the main process, and validation images one by one.

    Args:
        train: image sets by name.
        val: image sets by name.
        patch: side of a training crop in pixels.
        batch: crops per batch and device.
        progressive: entries of (until_batch, patch, batch) that come before patch and batch.
        shuffle_channels: whether the colours of a crop change places.
        val_crop: validation images are cropped to at most this side; None keeps them whole.
        seed: of the crops.
    """

    def __init__(
        self,
        train: Mapping[str, ImageSet],
        val: Mapping[str, ImageSet],
        *,
        patch: int,
        batch: int,
        progressive: Sequence[Sequence[int]],
        shuffle_channels: bool,
        val_crop: int | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.crops = {
            "patch": patch,
            "batch": batch,
            "schedule": progressive,
            "shuffle_channels": shuffle_channels,
            "seed": seed,
        }
        self.val_crop = val_crop

    def train_dataloader(self) -> DataLoader:
        """Endless batches that a resumed run continues where it stopped.

        Raises:
            ValueError: where checkpoints would fall between the batches of one optimizer step.
        """
        interval, batches = self.trainer.val_check_interval, self.trainer.accumulate_grad_batches
        if isinstance(interval, int) and interval % batches:
            raise ValueError(
                f"trainer.val_check_interval={interval} counts batches: choose a multiple of "
                f"{batches}, which is trainer.accumulate_grad_batches"
            )
        crops = Crops(
            list(self.train.values()),
            **self.crops,
            first=lambda: self.trainer.global_step * batches,
            rank=self.trainer.global_rank,
        )
        return DataLoader(crops, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Whole images, one a batch."""
        return DataLoader(WholeImages(self.val, self.val_crop), batch_size=1)
