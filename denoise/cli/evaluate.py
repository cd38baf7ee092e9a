"""Measure a checkpoint: python evaluate.py checkpoint=PATH data=kodak24 sigma=[15,25,50]."""

import json
import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from denoise.cli.hydra_main import choose_device, hydra_main
from denoise.evaluation.complexity import cost
from denoise.evaluation.evaluate import evaluate
from denoise.results.figures import BestAndWorst, Strips
from denoise.results.report import write_report
from denoise.results.save import save_results
from denoise.weights.load import open_model


@hydra_main
def main(config: DictConfig) -> None:
    """Score a checkpoint of ours or of a peer on image sets and noise levels."""
    started, folder = time.perf_counter(), Path(config.run_dir)
    net, made = open_model(config.checkpoint)
    channels = made["backbone"]["in_channels"]
    if config.channels not in (None, channels):
        raise ValueError(f"channels={config.channels}, but {config.checkpoint} takes {channels}")
    config.channels = channels
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    device = choose_device(config.device)

    parts = ("data", "protocol", "baseline")
    sets, protocol, baselines = (instantiate(config[name], _convert_="all") for name in parts)
    pictures = folder / "pictures" if config.pictures else None
    sigmas = config.sigma if OmegaConf.is_list(config.sigma) else [config.sigma]
    net.to(device)
    extremes = BestAndWorst()
    observers = [extremes] if config.report else []
    if pictures is not None:
        observers.append(Strips(pictures, protocol.score))
    rows = evaluate(net, sets, protocol, sigmas, baselines, device, observers)
    record = {
        "checkpoint": config.checkpoint,
        "overrides": list(HydraConfig.get().overrides.task),
        "protocol": protocol.name,
        "model": cost(net, channels),
        "seconds": time.perf_counter() - started,
    }
    report = folder / "report" if config.report else None
    save_results(folder, rows, record, {"pictures": pictures, "report": report})
    if report is not None:
        write_report(report, json.loads((folder / "results.json").read_text()), extremes)


if __name__ == "__main__":
    main()
