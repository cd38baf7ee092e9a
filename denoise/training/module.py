"""The Lightning module: noise on the device, loss, optimizer, validation by protocol."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn

from denoise.data.crops import to_float
from denoise.evaluation.protocols import Protocol
from denoise.noise.synthetic import noise_level
from denoise.norm import match_layernorm


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a number."""


class Denoiser(pl.LightningModule):
    """Trains a backbone to take noise off clean images.

    Args:
        net: maps noisy (B, C, H, W), sigma (B,) to restored.
        noise: maps clean, generator to noisy.
        loss: maps restored, clean to a scalar.
        optimizer: makes an optimizer from parameter groups.
        schedule: maps the share of the run that is done to a factor on the learning rate.
        protocol: makes and scores the noisy images of validation.
        sigma: noise level of validation in grey levels.
        seed: of the training noise.
        config: how `net` was made, in plain containers; stored in every checkpoint.
    """

    def __init__(
        self,
        net: nn.Module,
        noise: Callable[[Tensor, torch.Generator], Tensor],
        loss: nn.Module,
        optimizer: Callable[[Iterable], torch.optim.Optimizer],
        schedule: Callable[[float], float],
        protocol: Protocol,
        sigma: float,
        seed: int,
        config: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.net, self.loss = net, loss
        self.noise, self.protocol, self.sigma = noise, protocol, sigma
        self.make_optimizer, self.schedule = optimizer, schedule
        self.seed, self.config = seed, config

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of one batch of crops, noise added here unless it was photographed."""
        clean = to_float(batch["clean"])
        if "noisy" in batch:
            noisy = to_float(batch["noisy"])
        else:
            # Seeded by the batch's number, so that a resumed run draws what an unbroken one does.
            entropy = np.random.SeedSequence((self.seed, self.global_rank, batch["number"]))
            seed = int(entropy.generate_state(1, np.uint64)[0])
            noisy = self.noise(clean, torch.Generator(self.device).manual_seed(seed))
        level = noise_level(noisy, clean)
        if self.global_step == 0 and batch_idx == 0 and match_layernorm(self.net, noisy, level):
            for parameter in self.net.parameters():  # the first process's, on all
                parameter.data.copy_(self.trainer.strategy.broadcast(parameter.data))
        loss = self.loss(self.net(noisy, level), clean)
        rate = self.optimizers().param_groups[0]["lr"]
        if not torch.isfinite(loss):
            raise TrainingDivergedError(
                f"the loss is {loss.item()} at step {self.global_step}, learning rate {rate:.2g}: "
                "lower optimizer.lr or trainer.gradient_clip_val, or set trainer.precision=32-true"
            )
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/learning_rate", rate)
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Tensor]:
        """Score one whole image by the protocol and hand the three pictures to the callbacks."""
        clean = to_float(batch["clean"])
        real_noisy = to_float(batch["noisy"]) if "noisy" in batch else None
        sigma = self.sigma if self.protocol.needs_sigma else None
        noisy = self.protocol.noisy(clean, sigma, real_noisy)
        restored = self.net(noisy, noise_level(noisy, clean)).float()
        for name, value in self.protocol.score(restored, clean).items():
            self.log(f"val/{name}", value.mean(), batch_size=1, sync_dist=True, prog_bar=True)
        return {"noisy": noisy, "restored": restored, "clean": clean}

    def configure_optimizers(self) -> dict[str, Any]:
        """Exempt vectors and scalars (norms, biases) from weight decay."""
        matrices = [p for p in self.parameters() if p.ndim > 1]
        vectors = [p for p in self.parameters() if p.ndim <= 1]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = self.make_optimizer([group for group in groups if group["params"]])
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.schedule(self.progress())
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        shares = [0.0]
        if self.trainer.max_steps > 0:
            shares.append(self.global_step / self.trainer.max_steps)
        for timer in self.trainer.callbacks:
            if isinstance(timer, Timer) and timer.time_remaining() is not None:
                elapsed = timer.time_elapsed()
                shares.append(elapsed / (elapsed + timer.time_remaining()))
        return min(max(shares), 1.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store how the network was made beside its weights."""
        checkpoint["config"] = dict(self.config)


def sigmas(sigma: float | Sequence[float]) -> list[float]:
    """Noise levels as a list, from one or several."""
    return [sigma] if isinstance(sigma, int | float) else list(sigma)
