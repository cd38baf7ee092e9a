"""Score models on noise they were not trained with: denoise generalise checkpoints=[color,PATH]."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from denoise.cli.compose import as_list
from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.evaluation.evaluate import Row, evaluate
from denoise.evaluation.generalisation import Cell, compare_models, worst_cases
from denoise.evaluation.protocols import Seeded, follow
from denoise.malloc import tune_malloc
from denoise.metrics import WINDOW
from denoise.noise.synthetic import Noise
from denoise.plain_text import to_json
from denoise.results.model_card import trained_noise
from denoise.results.record import environment
from denoise.results.tables import echo, markdown, write_csv
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
    if config.crop is not None and config.crop < WINDOW:
        raise ValueError(f"crop={config.crop}, but SSIM needs {WINDOW} pixels; null: whole images")
    named = (config.noises or {}).items()
    noises = {name: _noise(name, node) for name, node in named if node is not None}
    models = {str(one): open_model(str(one)) for one in as_list(config.checkpoints)}
    if not models or not noises:
        raise ValueError(
            "nothing to score: give checkpoints=[color,...] and at least one of noises"
        )
    trained = {name: its_config for name, (_, its_config) in models.items()}
    channels = {name: one["backbone"]["in_channels"] for name, one in trained.items()}
    config.channels = _shared("channels", channels, config.channels)
    ranges = {name: one.get("range", "auto") for name, one in trained.items()}
    config.range = _shared("range", ranges, config.range)
    sets = instantiate(config.data, _convert_="all")
    for one in sets.values():
        one.require_size(WINDOW, "the window of SSIM", config.on_error)
    protocols = {name: Seeded(noise) for name, noise in noises.items()}
    follow(sets, None, next(iter(protocols.values())), insisted=True)  # says so of pairs
    scores: dict[tuple[str, str], list[Row]] = {}
    for model, (net, _) in models.items():
        net.to(device)
        for noise, protocol in protocols.items():
            echo(f"{model}, {noise}")
            scores[model, noise] = evaluate(net, sets, protocol, [], {}, device, crop=config.crop)
    cells = compare_models(scores)
    noise_of = {name: trained_noise(one) for name, one in trained.items()}
    command = " ".join(["denoise generalise", *HydraConfig.get().overrides.task])
    text = _text(cells, noise_of, sum(map(len, sets.values())), command)
    echo(text)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    record = environment() | {"command": command, "cells": [cell._asdict() for cell in cells]}
    (folder / "generalisation.json").write_text(to_json(record) + "\n")
    rows = [{"model": m, "noise": n, **row} for (m, n), one in scores.items() for row in one]
    write_csv(folder / "generalisation.csv", rows)
    (folder / "generalisation.md").write_text(text, encoding="utf-8")
    draw_heat_map(cells, folder / "generalisation.png")
    echo(f"table, picture and scores: {folder}")


def _noise(name: str, node: Any) -> Noise:
    noise = instantiate(node, _convert_="all") if OmegaConf.is_config(node) else node
    if not callable(noise):
        raise ValueError(f"noises.{name}={node} is no noise: give _target_ and its options")
    return noise


def _shared(option: str, of_models: Mapping[str, Any], given: Any) -> Any:
    """Return what all models share of an option, unless the user gives it."""
    different = list(dict.fromkeys(map(str, of_models.values())))
    if len(different) > 1:
        values = ", ".join(different)
        raise ValueError(f"the models differ in {option} ({values}): score them apart")
    (value,) = list(of_models.values())[:1]
    if option == "channels" and given not in (None, value):
        raise ValueError(f"channels={given}, but the models take {value}")
    return value if given is None else given


def _text(cells: list[Cell], noise_of: Mapping[str, str], images: int, command: str) -> str:
    """Return the page in markdown."""

    def table(column: str) -> str:
        rows = {model: {"model": model, "trained on": noise_of[model] or "?"} for model in noise_of}
        for cell in cells:
            lead = str(cell.lead) if cell.model != cell.best else "best"
            gain = f"{cell.psnr:.2f}, {cell.gain}"
            rows[cell.model][cell.noise] = lead if column == "lead" else gain
        return markdown(list(rows.values()))

    lines = [
        "# Generalisation\n", f"`{command}`\n",
        "PSNR in dB, and the gain over the noisy image, with 95 % intervals over "
        f"{images} images. No model is told the noise level. The noise is drawn once, alike for "
        "images of one size, so the intervals do not count the draw.\n",
        table("gain"),
    ]  # fmt: skip
    if len(noise_of) > 1:
        lines += ["Against the best of the models on each noise, in dB:\n", table("lead")]
    lines += [*worst_cases(cells), "\n![gain over the noisy image](generalisation.png)\n"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
