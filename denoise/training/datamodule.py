"""The Lightning data module: crops to train on, whole images to validate on."""

from collections.abc import Mapping, Sequence
from functools import partial

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from denoise.data.crops import Crops, WholeImages
from denoise.data.sets import ImageSet
from denoise.metrics import WINDOW


class DenoisingDataModule(pl.LightningDataModule):
    """Batches of random crops for training, and single images for validation.

    Crops are cut in the main process: slices of decoded images gain nothing from workers.

    Args:
        train: Image sets by name.
        val: Image sets by name.
        patch: Side of a training crop in pixels.
        batch: Crops per batch and device.
        progressive: Entries of (until_batch, patch, batch) that come before patch and batch.
        shuffle_channels: Whether the colour channels of a crop are permuted.
        val_crop: Side to which larger validation images are cropped; None keeps them whole.
        seed: Seed of the crops.
        on_error: "raise", or "skip" to leave out images that are too small.
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
        on_error: str = "raise",
    ) -> None:
        super().__init__()
        schedule = [entry for entry in progressive if isinstance(entry, Sequence) and entry[1:]]
        largest = max([patch, *(entry[1] for entry in schedule)])
        for one in train.values():
            one.require_size(largest, "crops", on_error)
        for one in val.values():
            one.require_size(WINDOW, "the window of SSIM", on_error)
        self.val, self.val_crop = val, val_crop
        self.crops = partial(
            Crops,
            list(train.values()),
            patch=patch,
            batch=batch,
            patch_schedule=progressive,
            shuffle_channels=shuffle_channels,
            seed=seed,
        )

    def train_dataloader(self) -> DataLoader:
        """Return endless batches, which a resumed run continues where it stopped.

        Raises:
            ValueError: If checkpoints would fall between the batches of one optimizer step.
        """
        trainer = self.trainer
        assert trainer is not None  # Lightning sets it before it asks for batches
        interval, batches = trainer.val_check_interval, trainer.accumulate_grad_batches
        if isinstance(interval, int) and interval % batches:
            raise ValueError(
                f"trainer.val_check_interval={interval} counts batches: choose a multiple of "
                f"{batches}, which is trainer.accumulate_grad_batches"
            )
        crops = self.crops(first=lambda: trainer.global_step * batches, rank=trainer.global_rank)
        return DataLoader(crops, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Return the validation images, one a batch."""
        return DataLoader(WholeImages(self.val, self.val_crop), batch_size=1)
