"""What a run writes to TensorBoard, Weights & Biases and MLflow beside its curves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from denoise.evaluation.evaluate import METHOD

CARD = "model card"
# Groups that decide what is trained, and on what.
GROUPS = (
    "experiment", "backbone", "attention", "norm", "feedforward", "noise", "protocol", "loss",
    "optimizer", "scheduler", "data@train", "data@val", "data@test",
)  # fmt: skip


def parameters_of(choices: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, str]:
    """Return the chosen option of every group, and every override, by their names."""
    chosen = {group: str(choices[group]) for group in GROUPS if group in choices}
    given = (override.lstrip("+").partition("=") for override in overrides)
    named = chosen | {key: value for key, sign, value in given if sign}
    return {key.replace("@", "."): value for key, value in named.items()}  # MLflow refuses @


def final_scores(results: Mapping[str, Any]) -> dict[str, float]:
    """Return PSNR and SSIM of the model on every set and noise level of results.json."""
    scores = {}
    for mean in results["average"]:
        if mean["method"] == METHOD:
            level = "" if mean["sigma"] is None else f"_{mean['sigma']:g}"
            for metric in ("psnr", "ssim"):
                scores[f"test/{metric}_{mean['set']}{level}"] = mean[metric]
    return scores


def log_results(
    loggers: Iterable[Logger],
    parameters: Mapping[str, str],
    scores: Mapping[str, float],
    card: str,
) -> None:
    """Write the parameters, the final scores and the model card of a run to its logs.

    Args:
        loggers: Of the trainer.
        parameters: From `parameters_of`.
        scores: From `final_scores`.
        card: Markdown.
    """
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(dict(parameters), dict(scores))
            logger.experiment.add_text(CARD, card)
        else:
            logger.log_hyperparams(dict(parameters))
            logger.log_metrics(dict(scores))
        if isinstance(logger, MLFlowLogger):
            logger.experiment.log_text(logger.run_id, card, "README.md")
        if isinstance(logger, WandbLogger):
            from wandb import Artifact

            artifact = Artifact(f"card-{logger.experiment.id}", type="model-card")
            with artifact.new_file("README.md") as file:
                file.write(card)
            logger.experiment.log_artifact(artifact)
        logger.finalize("success")


def shows_pictures(logger: Logger) -> bool:
    """Return whether a log shows pictures."""
    return isinstance(logger, TensorBoardLogger | WandbLogger | MLFlowLogger)


def log_picture(logger: Logger, name: str, picture: np.ndarray, step: int) -> None:
    """Write a picture, (H, W, 3) uint8, to a log that shows pictures."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [picture], step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, key=name, step=step)
