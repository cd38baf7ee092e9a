"""Score models on noise they were not trained with: denoise generalise checkpoints=[color,PATH]."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from denoise.cli.compose import as_list
from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.evaluation.evaluate import Row, evaluate
from denoise.evaluation.generalisation import Cell, gains, worst_cases
from denoise.evaluation.protocols import Seeded
from denoise.malloc import tune_malloc
from denoise.metrics import WINDOW
from denoise.plain_text import to_json
from denoise.results.model_card import trained_noise
from denoise.results.record import environment
from denoise.results.tables import echo, markdown
from denoise.weights.load import open_model


@hydra_main
def main(config: DictConfig) -> None:
    """Score each checkpoint on each noise; leave a table, a picture and all scores."""
    try:  # before the work, not after it
        from denoise.results.heat_map import draw_heat_map
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the picture needs {error.name}: pip install 'denoise[benchmark]'"
        ) from error
    tune_malloc()
    folder, device = Path(config.run_dir), choose_device(config.device)
    checkpoints = [str(one) for one in as_list(config.checkpoints)]
    noises = {name: instantiate(one, _convert_="all") for name, one in config.noises.items()}
    models = {checkpoint: open_model(checkpoint) for checkpoint in checkpoints}
    takes = {trained["backbone"]["in_channels"] for _, trained in models.values()}
    if config.channels is not None:
        takes.add(config.channels)
    if len(takes) > 1:
        raise ValueError(f"models of {sorted(takes)} channels share no images: score them apart")
    (config.channels,) = takes
    sets = instantiate(config.data, _convert_="all")
    for one in sets.values():
        one.require_size(WINDOW, "the window of SSIM", config.on_error)
    scores: dict[tuple[str, str], list[Row]] = {}
    for model, (net, _) in models.items():
        net.to(device)
        for noise, draw in noises.items():
            echo(f"{model}, {noise}")
            scores[model, noise] = evaluate(
                net, sets, Seeded(draw), [], {}, device, crop=config.crop
            )
    cells = gains(scores)
    trained_on = {name: trained_noise(trained) for name, (_, trained) in models.items()}
    command = " ".join(HydraConfig.get().overrides.task)
    text = _text(cells, trained_on, sum(map(len, sets.values())), command)
    echo(text)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    rows = [row | {"model": key[0], "noise": key[1]} for key, one in scores.items() for row in one]
    record = {"environment": environment(), "cells": [cell._asdict() for cell in cells]}
    (folder / "generalisation.json").write_text(to_json(record | {"images": rows}) + "\n")
    (folder / "generalisation.md").write_text(text, encoding="utf-8")
    draw_heat_map(cells, folder / "generalisation.png")
    echo(f"table, picture and scores: {folder}")


def _text(cells: list[Cell], trained_on: dict[str, str], images: int, command: str) -> str:
    """Return the page in markdown."""
    table = []
    for model in dict.fromkeys(cell.model for cell in cells):
        row = {"model": model, "trained on": trained_on[model] or "not stated"}
        for cell in cells:
            if cell.model == model:
                row[cell.noise] = (
                    f"{cell.psnr:.2f}, {cell.gain:+.2f} ({cell.low:+.2f} to {cell.high:+.2f})"
                )
        table.append(row)
    explained = (
        "PSNR in dB, and the gain over the noisy image with its 95 % interval over "
        f"{images} images; no model is told the noise level.\n"
    )
    lines = ["# Generalisation\n", f"`denoise generalise {command}`\n", explained, markdown(table)]
    lines += [*worst_cases(cells), "\n![gain over the noisy image](generalisation.png)\n"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
