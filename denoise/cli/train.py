"""Train a denoiser and measure it: denoise train attention=swin norm=dyt."""

import copy
import logging
import time
import warnings
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from denoise.backbone.restormer import Restormer
from denoise.cli.compose import insists_on
from denoise.cli.hydra_main import hydra_main
from denoise.evaluation.complexity import model_complexity
from denoise.evaluation.evaluate import evaluate
from denoise.evaluation.protocols import Real, follow
from denoise.malloc import tune_malloc
from denoise.metrics import WINDOW
from denoise.noise.synthetic import NoNoise
from denoise.results.figures import ComparisonStrips
from denoise.results.model_card import NO_EXPORT, model_card
from denoise.results.record import Run, Training
from denoise.results.save import save_results
from denoise.results.tables import echo
from denoise.training.check_options import check_options
from denoise.training.checkpoint_io import AtomicCheckpointIO
from denoise.training.checkpoints import RunCheckpoint
from denoise.training.datamodule import DenoisingDataModule
from denoise.training.idle_options import idle_options
from denoise.training.initialize import freeze, initialize
from denoise.training.loggers import final_scores, log_results, parameters_of
from denoise.training.module import DenoisingModule
from denoise.training.objectives import check_objective
from denoise.training.resume import find_checkpoint
from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError
from denoise.weights.validate import check_targets


@hydra_main
def main(config: DictConfig) -> float | None:
    """Train as configured, then score the best checkpoint on the test images.

    Returns:
        The score of its best validation, for searches to maximise: PSNR in dB, or the objective
        where there are no clean images; None on all processes but the first.
    """
    tune_malloc()
    started, folder = time.perf_counter(), Path(config.run_dir)
    resolved = cast(
        dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    )
    check_options(resolved)
    check_targets(resolved["backbone"])  # now: what cannot be read back is not worth training
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(resolved, folder / "config.yaml")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec")  # Lightning's own
    # Set for every run: the jobs of a sweep share a process.
    pl.seed_everything(config.seed, workers=True, verbose=False)
    torch.use_deterministic_algorithms(config.trainer.deterministic)

    settings = {name: config[name] for name in resolved if name != "trainer"}
    objects = instantiate(settings, _convert_="all")
    check_objective(objects["objective"], objects["noise"], objects["train"])
    given, insisted = objects["protocol"], insists_on("protocol")
    val_protocol = given  # what is insisted on is told of once, by the test images
    if not insisted:
        val_protocol = follow(objects["val"], objects["noise"], given, insisted=False)
    objects["protocol"] = follow(objects["test"], objects["noise"], given, insisted=insisted)
    module = DenoisingModule(
        objects["backbone"], objects["noise"], objects["objective"], objects["loss"],
        objects["optimizer"], objects["scheduler"], val_protocol, objects["sigma"],
        objects["seed"], resolved,
    )  # fmt: skip
    if isinstance(module.net, Restormer):
        shifts = resolved["backbone"]["attention"].get("shift") is True
        for idle in idle_options(module.net, config.patch, shifts=shifts):
            logging.getLogger("denoise").warning("without effect at %s", idle)
    hydra = HydraConfig.get()
    sweep = Path(hydra.sweep.dir) if hydra.mode is RunMode.MULTIRUN else None
    found = find_checkpoint(config.resume, resolved, sweep)
    if config.init is not None and found is None:
        echo(initialize(module.net, config.init, strict=config.init_strict))
    if config.freeze:
        echo(freeze(module.net, config.freeze))
    if config.compile:
        module.net.compile(mode=None if config.compile is True else config.compile)
    crop_options = (
        "patch", "batch", "progressive", "shuffle_channels", "val_crop", "seed", "on_error",
    )  # fmt: skip
    for one in objects["test"].values():
        one.require_size(WINDOW, "the window of SSIM", config.on_error)
    images = DenoisingDataModule(
        objects["train"], objects["val"], **{name: objects[name] for name in crop_options}
    )
    callbacks = [callback for callback in objects["callbacks"].values() if callback is not None]
    loggers = list(objects["logger"].values())
    trainer = instantiate(
        config.trainer, callbacks=callbacks, logger=loggers, plugins=[AtomicCheckpointIO()]
    )
    if found is not None:
        changes = f"; changed: {', '.join(found.changes)}" if found.changes else ""
        echo(f"continuing from {found.path} at step {found.steps}{changes}")
        for callback in callbacks:
            if isinstance(callback, RunCheckpoint):
                callback.resumed_from = found.path
    begun = time.perf_counter()
    trainer.fit(module, images, ckpt_path=found and str(found.path), weights_only=True)
    if not trainer.is_global_zero:
        return None

    best_score = float(trainer.checkpoint_callback.best_model_score)
    training: Training = {
        "steps": trainer.global_step,
        "images_per_second": trainer.progress_bar_callback.images_per_second,
        "seconds": time.perf_counter() - begun,
    }
    if module.knows_clean:
        training["val_psnr"] = best_score
    best = Path(trainer.checkpoint_callback.best_model_path)
    try:
        net, trained = load_model(best)
    except CheckpointError as error:  # what was trained is scored all the same
        echo(f"{error}; the weights of the last step are scored")
        net, trained = copy.deepcopy(module.net).eval(), resolved
    _score(config, objects, best, (net, trained), trainer.strategy.root_device, training, started)
    return best_score


def _score(
    config: DictConfig,
    objects: dict[str, Any],
    best: Path,
    model: tuple[torch.nn.Module, dict[str, Any]],
    device: torch.device,
    training: Training,
    started: float,
) -> None:
    """Score the trained model on the test images, and save the results of the run."""
    net, trained = model
    folder, protocol = Path(config.run_dir), objects["protocol"]
    pictures = folder / "pictures" if config.pictures else None
    observers = [] if pictures is None else [ComparisonStrips(pictures, protocol.score)]
    sets = objects["test"] if config.score else {}
    if isinstance(objects["noise"], NoNoise) and not isinstance(protocol, Real):
        echo("no clean images: nothing is scored; pairs would be, by denoise evaluate data=pairs")
        sets = {}
    rows = evaluate(
        net.to(device), sets, protocol, [config.sigma], objects["baseline"], device, observers
    )
    run: Run = {
        "name": config.run_name,
        "overrides": list(HydraConfig.get().overrides.task),
        "protocol": protocol.name,
        "seed": config.seed,
        "model": model_complexity(net, config.channels),
        "training": training,
        "seconds": time.perf_counter() - started,
    }
    artifacts = {"checkpoint": best, "pictures": pictures}
    artifacts |= {f"{name} log": logger.log_dir for name, logger in objects["logger"].items()}
    results = save_results(folder, rows, run, artifacts)
    assert isinstance(net, Restormer)  # what was just trained
    card = model_card(net, trained, results, run["model"], NO_EXPORT)
    hydra = HydraConfig.get()
    parameters = parameters_of(hydra.runtime.choices, hydra.overrides.task)
    log_results(objects["logger"].values(), parameters, final_scores(results), card)


if __name__ == "__main__":
    main()
