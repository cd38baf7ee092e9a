"""Measure a checkpoint: denoise evaluate checkpoint=PATH data=kodak24 sigma=[15,25,50]."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from denoise.cli.compose import as_list, insists_on
from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.data.sets import ImageSet
from denoise.evaluation.complexity import model_complexity
from denoise.evaluation.evaluate import Observer, evaluate
from denoise.evaluation.protocols import follow
from denoise.inference.memory import memory_budget, parse_memory
from denoise.inference.restorer import Restorer, TensorRestorer
from denoise.malloc import tune_malloc
from denoise.metrics import WINDOW
from denoise.noise.synthetic import Gaussian
from denoise.results.figures import BestAndWorst, ComparisonStrips
from denoise.results.record import Run
from denoise.results.report import write_report
from denoise.results.save import save_results
from denoise.weights.load import open_model

# Of an image, its noisy one, the noise in float64 and what is scored, a pixel and channel.
SAMPLE_BYTES = 48


@hydra_main
def main(config: DictConfig) -> None:
    """Score a checkpoint on image sets and noise levels."""
    tune_malloc()
    started, folder = time.perf_counter(), Path(config.run_dir)
    net, trained = open_model(config.checkpoint)
    channels = trained["backbone"]["in_channels"]
    if config.channels not in (None, channels):
        raise ValueError(f"channels={config.channels}, but {config.checkpoint} takes {channels}")
    config.channels = channels
    if config.range is None:
        config.range = trained.get("range", "auto")
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    device = choose_device(config.device)

    sets, protocol, baselines = (
        instantiate(config[name], _convert_="all") for name in ("data", "protocol", "baseline")
    )
    # Of several sigmas no noise is made: the protocols for Gaussian noise draw it.
    gaussian = config.noise._target_ == f"{Gaussian.__module__}.{Gaussian.__name__}"
    noise = None if gaussian else instantiate(config.noise, _convert_="all")
    protocol = follow(sets, noise, protocol, insisted=insists_on("protocol"))
    for one in sets.values():
        one.require_size(WINDOW, "the window of SSIM", config.on_error)
    pictures = folder / "pictures" if config.pictures else None
    net.to(device)
    report = folder / "report" if config.report else None
    best_and_worst = BestAndWorst()
    observers: list[Observer] = []
    if report is not None:
        observers.append(best_and_worst)
    if pictures is not None:
        observers.append(ComparisonStrips(pictures, protocol.score))
    model = net if config.memory is None else _within(config.memory, net, channels, sets)
    rows = evaluate(model, sets, protocol, as_list(config.sigma), baselines, device, observers)
    run: Run = {
        "name": trained.get("run_name", ""),  # of the training; checkpoints before 0.2 have none
        "checkpoint": config.checkpoint,
        "overrides": list(HydraConfig.get().overrides.task),
        "protocol": protocol.name,
        "model": model_complexity(net, channels),
        "seconds": time.perf_counter() - started,
    }
    results = save_results(folder, rows, run, {"pictures": pictures, "report": report})
    if report is not None:
        write_report(report, results, best_and_worst)


def _within(
    memory: str, net: nn.Module, channels: int, sets: Mapping[str, ImageSet]
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the model as it is applied within the memory of the process, by tiles if need be."""
    largest = max(image[..., 0].size for one in sets.values() for image in one.clean)
    left = memory_budget(parse_memory(memory), net, channels)
    needed = SAMPLE_BYTES * channels * largest
    if left <= needed:
        raise ValueError(
            f"memory={memory}, but the largest image, its noise and scores take "
            f"{needed / 2**20:.0f} MiB beside the program: give "
            f"{(needed - left) // 2**20 + 256} MiB more"
        )
    return TensorRestorer(Restorer(net, channels, memory=left - needed))


if __name__ == "__main__":
    main()
