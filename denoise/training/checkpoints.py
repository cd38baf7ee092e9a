"""The checkpoints of a run: the best by validation, and the last."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from denoise.weights.read import CheckpointError, read_weights


class RunCheckpoint(ModelCheckpoint):
    """Saves after each validation whose scores are numbers, and goes on with a run's best.

    A run that is continued in another folder gets the best checkpoint of the first, so that its
    best stays its best. Options are those of Lightning's ModelCheckpoint.
    """

    resumed_from: Path | None = None  # the checkpoint that the run is continued from

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Choose the best by the objective where there is no clean image to take the PSNR to."""
        if self.monitor == "val/psnr" and not getattr(pl_module, "knows_clean", True):
            self.monitor = "val/objective"
        super().setup(trainer, pl_module, stage)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, unless a score is no number: what is no number cannot be continued."""
        scores = [v for name, v in trainer.callback_metrics.items() if name.startswith("val/")]
        if all(torch.isfinite(torch.as_tensor(score)) for score in scores):
            super().on_validation_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score of the run that is continued, and its checkpoint."""
        score, best = state_dict.get("best_model_score"), state_dict.get("best_model_path")
        if self.monitor is None or not isinstance(score, Tensor) or self.resumed_from is None:
            return
        name = Path(str(best)).name
        source, target = self.resumed_from.with_name(name), Path(str(self.dirpath)) / name
        try:
            if not _same_score(read_weights(source), self.state_key, score):
                return
        except CheckpointError:
            return  # without its checkpoint a score is of no use
        if source.resolve() != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = str(target)
        self.best_k_models = {str(target): score}


def _same_score(checkpoint: Mapping[str, Any], key: str, score: Tensor) -> bool:
    """Return whether a checkpoint is that of this best score: a newer one may be in its place."""
    state = checkpoint.get("callbacks", {}).get(key, {})
    found = state.get("best_model_score")
    return isinstance(found, Tensor) and found.item() == score.item()
