"""Measure speed and memory, interleaved: denoise benchmark suite=[model,attention]."""

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from denoise.benchmark.attention import attention
from denoise.benchmark.calls import DIM, HEADS, Factory
from denoise.benchmark.data import data
from denoise.benchmark.model import model
from denoise.benchmark.norm import norm
from denoise.benchmark.plot_scaling import plot_scaling
from denoise.benchmark.properties import properties
from denoise.benchmark.roofline import roofline
from denoise.benchmark.scaling import SCALING, scaling
from denoise.benchmark.timing import Row
from denoise.benchmark.train import train
from denoise.cli.compose import as_list, compose_config, options
from denoise.cli.hydra_main import hydra_main
from denoise.malloc import tune_malloc
from denoise.option_checks import check_choice
from denoise.plain_text import to_json
from denoise.properties import Mixer
from denoise.results.record import environment
from denoise.results.tables import echo, markdown

Suite = Callable[[Factory, int], dict[str, list[Row]]]
SUITES: dict[str, Suite] = {
    "model": model,
    "roofline": roofline,
    "attention": attention,
    "scaling": scaling,
    "properties": properties,
    "norm": norm,
    "data": lambda make, rounds: data(rounds),
    "train": train,
}


def run(config: DictConfig) -> None:
    """Measure speed and memory; print the tables of each suite, and write them where asked to."""
    suites = as_list(config.suite)
    for name in suites:
        check_choice(SUITES, suite=name)
    check_choice(("tuned", "default"), malloc=config.malloc)
    if config.malloc == "tuned":
        tune_malloc()
    torch.manual_seed(0)
    make = FACTORY._replace(mixers=partial(mixers, config.mixers))
    for name in suites:
        suite = SUITES[name]
        if name == "model" and not config.compiled:
            suite = partial(model, compiled=False)
        tables = suite(make, config.rounds)
        command = " ".join(["denoise benchmark", *HydraConfig.get().overrides.task])
        machine = environment() | {"cpu": _cpu(), "command": command}
        text = _report(name, tables, machine)
        echo(text)
        if config.out is not None:
            out = Path(config.out)
            out.mkdir(parents=True, exist_ok=True)
            stem = name if config.malloc == "tuned" else f"{name}-default-malloc"
            record = to_json({"environment": machine, "tables": tables})
            (out / f"{stem}.json").write_text(record + "\n")
            (out / f"{stem}.md").write_text(text, encoding="utf-8")
            if SCALING in tables:
                families = {option: one.properties.family for option, one in make.mixers().items()}
                plot_scaling(tables[SCALING], families, out / "scaling.png")


def backbone(*overrides: str) -> nn.Module:
    """Build the backbone that overrides configure."""
    return instantiate(compose_config(*overrides).backbone, _convert_="all")


def mixer(dim: int, num_heads: int, *overrides: str) -> Mixer:
    """Build the mixer that overrides configure."""
    factory = instantiate(compose_config(*overrides).attention, _convert_="all")
    return factory(dim, num_heads, 1).eval()


def mixers(names: Any = None) -> dict[str, Mixer]:
    """Build the mixers of the options named, or of all options that are a single mixer."""
    built = {}
    for option in options("attention") if names is None else as_list(names):
        factory = instantiate(compose_config(f"attention={option}").attention, _convert_="all")
        if callable(factory):  # per_level is several
            built[option] = factory(DIM, HEADS, 1).eval()
    return built


def _report(name: str, tables: dict[str, list[Row]], machine: dict[str, Any]) -> str:
    lines = [f"# {name}\n", f"`{machine['command']}`\n"]
    lines.append(
        f"{machine['cpu']}, {machine['threads']} threads, {machine['device']}, "
        f"torch {machine['packages']['torch']}, revision {machine['git']}\n"
    )
    for title, rows in tables.items():
        lines += [f"## {title}\n", markdown(rows)]
    return "\n".join(lines)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


FACTORY = Factory(backbone, mixer, mixers)
main = hydra_main(run, positional="suite")

if __name__ == "__main__":
    main()
