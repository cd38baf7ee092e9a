"""The Lightning module: draws noise, computes the loss, builds the optimizer, validates."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from denoise.data.crops import to_float
from denoise.evaluation.protocols import Protocol, Real
from denoise.noise.estimation import model_sigma, realised_sigma
from denoise.noise.synthetic import Gaussian, NoNoise
from denoise.training.learning_rate import is_scheduler
from denoise.training.objectives import Objective, Sample
from denoise.training.parameter_groups import parameter_groups

# Options of an optimizer that its checkpoint holds too; the rest of a group is state.
OPTIMIZER_OPTIONS = (
    "betas", "momentum", "weight_decay", "eps", "nesterov", "alpha", "dampening", "amsgrad",
)  # fmt: skip


class TrainingDivergedError(RuntimeError):
    """The loss is not finite."""


class DenoisingModule(pl.LightningModule):
    """Trains a network to remove noise from clean images to which noise was added.

    Args:
        net: Maps noisy (B, C, H, W) and sigma (B,) to restored.
        noise: Maps clean and a generator to noisy.
        objective: What a step minimises.
        loss: Maps restored and clean to a scalar.
        optimizer: Builds an optimizer from parameter groups.
        scheduler: Maps the share of the run that is done to a factor on the learning rate; or a
            scheduler of torch, called with the optimizer and stepped after each batch.
        protocol: Makes the noisy images of validation and scores the restored ones.
        sigma: Noise level of validation in grey levels.
        seed: Seed of the training noise.
        config: Config of the run in plain containers, stored in every checkpoint.
    """

    def __init__(
        self,
        net: nn.Module,
        noise: Callable[[Tensor, torch.Generator], Tensor],
        objective: Objective,
        loss: nn.Module,
        optimizer: Callable[[Iterable], torch.optim.Optimizer],
        scheduler: Callable[..., Any],
        protocol: Protocol,
        sigma: float,
        seed: int,
        config: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.net, self.objective, self.loss = net, objective, loss
        self.noise, self.protocol, self.sigma = noise, protocol, sigma
        self.build_optimizer, self.build_scheduler = optimizer, scheduler
        self.seed, self.config = seed, config

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch of crops; noise is added unless the batch holds noisy ones."""
        loss = self.objective(self.net, self._sample(batch, batch["number"]), self.loss)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        if not torch.isfinite(loss):
            raise TrainingDivergedError(
                f"the loss is {loss.item()} at step {self.global_step}, learning rate {rate:.2g}: "
                "lower optimizer.lr or trainer.gradient_clip_val, or set trainer.precision=32-true"
            )
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/learning_rate", rate)
        return loss

    def _sample(self, batch: dict[str, Any], number: int) -> Sample:
        """Return a batch with its noise, and what an objective may draw further."""
        clean = to_float(batch["clean"])
        # Seeded by the batch's number, so that a resumed run draws what an unbroken one does.
        entropy = np.random.SeedSequence((self.seed, self.global_rank, number))
        seed = int(entropy.generate_state(1, np.uint64)[0])
        generator = torch.Generator(self.device).manual_seed(seed)
        if "noisy" in batch:
            noisy = to_float(batch["noisy"])
            return Sample(
                noisy, clean, model_sigma(noisy, None, self.net), lambda: clean, generator
            )
        noisy = self.noise(clean, generator)
        # In use the level of white noise is told, that of any other noise is estimated.
        white = isinstance(self.noise, Gaussian)
        level = realised_sigma(noisy, clean) if white else model_sigma(noisy, None, self.net)
        return Sample(noisy, clean, level, lambda: self.noise(clean, generator), generator)

    @property
    def knows_clean(self) -> bool:
        """Whether validation has clean images: images that are noisy as they are have none."""
        return not isinstance(self.noise, NoNoise) or isinstance(self.protocol, Real)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Score one whole image by the protocol; return its noisy, restored and clean version.

        Without clean images the score is the objective, negative, as larger ones are better.
        """
        clean = to_float(batch["clean"])
        real_noisy = to_float(batch["noisy"]) if "noisy" in batch else None
        sigma = self.sigma if self.protocol.needs_sigma else None
        noisy = self.protocol.add_noise(clean, sigma, real_noisy)
        restored = self.net(noisy, model_sigma(noisy, sigma, self.net)).float()
        if not self.knows_clean:
            value = -self.objective(self.net, self._sample(batch, batch_idx), self.loss)
            self.log("val/objective", value, batch_size=1, sync_dist=True)
            return {"noisy": noisy, "restored": restored, "clean": clean}
        for name, value in self.protocol.score(restored, clean).items():
            self.log(f"val/{name}", value.mean(), batch_size=1, sync_dist=True, prog_bar=True)
        return {"noisy": noisy, "restored": restored, "clean": clean}

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Build the optimizer from the network's parameters in groups by role."""
        optimizer = self.build_optimizer(parameter_groups(self.net))
        if is_scheduler(self.build_scheduler):
            scheduler = self.build_scheduler(optimizer)
        else:
            scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: self.build_scheduler(self.progress())
            )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_start(self) -> None:
        """Give optimizers without a schedule the weights that they train."""
        self._switch_optimizers("train")

    def on_validation_model_eval(self) -> None:
        """Validate, and save, the averaged weights of optimizers without a schedule."""
        super().on_validation_model_eval()
        self._switch_optimizers("eval")

    def on_validation_model_train(self) -> None:
        """Go on with the weights that are trained."""
        super().on_validation_model_train()
        self._switch_optimizers("train")

    def _switch_optimizers(self, mode: str) -> None:
        for optimizer in self.trainer.optimizers:
            getattr(optimizer, mode, lambda: None)()  # of schedule-free optimizers alone

    def progress(self) -> float:
        """Return the share of the run that is done, by steps or by time, whichever is further."""
        shares = [0.0]
        if self.trainer.max_steps > 0:
            shares.append(self.global_step / self.trainer.max_steps)
        for timer in self.trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
            if isinstance(timer, Timer) and (remaining := timer.time_remaining()) is not None:
                elapsed = timer.time_elapsed()
                shares.append(elapsed / (elapsed + remaining))
        return min(max(shares), 1.0)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the options of the optimizer hold that the run is continued with.

        Raises:
            ValueError: If the checkpoint groups its parameters otherwise.
        """
        fresh = self.build_optimizer(parameter_groups(self.net)).param_groups
        saved = checkpoint["optimizer_states"][0]["param_groups"]
        if [len(group["params"]) for group in fresh] != [len(group["params"]) for group in saved]:
            raise ValueError(
                "the checkpoint's optimizer groups its parameters otherwise, as before 0.2 or with "
                "another freeze: start from its weights with init= in place of resume="
            )
        scheduler = checkpoint["lr_schedulers"][0]
        for index, (new, old) in enumerate(zip(fresh, saved, strict=True)):
            if new["lr"] != old["initial_lr"]:
                old["lr"] *= new["lr"] / old["initial_lr"]
                old["initial_lr"] = scheduler["base_lrs"][index] = new["lr"]
            old |= {k: v for k, v in new.items() if k in OPTIMIZER_OPTIONS and k in old}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the config beside the weights."""
        checkpoint["config"] = dict(self.config)
