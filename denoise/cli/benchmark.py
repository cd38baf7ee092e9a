"""Measure speed and memory side by side: python scripts/benchmark.py model."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import nn

from denoise.benchmark import attention, data, model, norm, train
from denoise.benchmark.plot import plot_growth
from denoise.benchmark.timing import Row, compare
from denoise.cli.compose import compose_config, options
from denoise.layers.attention_backends import BACKENDS
from denoise.malloc import tune_malloc
from denoise.results.record import environment
from denoise.results.tables import echo, markdown


def backbone(*overrides: str) -> nn.Module:
    """Make a backbone as the command line with these words would."""
    return instantiate(compose_config(*overrides).backbone, _convert_="all")


def mixer(dim: int, heads: int, *overrides: str) -> nn.Module | None:
    """Make one mixer; None for a word that stands for several."""
    maker = instantiate(compose_config(*overrides).attention, _convert_="all")
    return maker(dim, heads, 1).eval() if callable(maker) else None


def mixers() -> dict[str, nn.Module]:
    """Make one mixer of every word that stands for one."""
    made = {
        word: mixer(attention.DIM, attention.HEADS, f"attention={word}")
        for word in options("attention")
    }
    return {word: one for word, one in made.items() if one is not None}


def of_attention(make: Callable[..., nn.Module], rounds: int) -> dict[str, list[Row]]:
    """Local and window attention against the naive form and against other packages."""
    local = {"unfold, naive": ("attention=unfold", "attention.naive=true"),
             "unfold": ("attention=unfold",), "neighborhood": ("attention=neighborhood",),
             "swin": ("attention=swin",)}  # fmt: skip
    forms = {name: mixer(192, 4, *overrides) for name, overrides in local.items()}
    forms["swin of torchvision"] = attention.TorchvisionSwin(forms["swin"], shift=4)
    x = attention.image(64, dim=192)
    tables = {}
    for title, call in {"inference": attention.inference, "training": attention.training}.items():
        calls = {name: call(form, x) for name, form in forms.items()}
        rows = compare(calls, rounds=rounds, progress=title)
        tables[f"local attention, kernel 7, 192 channels, 64 x 64, {title}"] = rows
    block, wide = mixer(attention.DIM, 1, "attention=non_local"), attention.image(128)
    kinds = attention.inference, attention.training
    calls = {kind.__name__: kind(block, wide) for kind in kinds}
    title = f"non_local, {attention.DIM} channels, 128 x 128"
    tables[title] = compare(calls, rounds=rounds, progress=title)
    if find_spec("natten"):
        options = "attention=neighborhood", "attention.position_bias=false"
        forms = {name: mixer(192, 6, *options, f"attention.backend={name}") for name in BACKENDS}
        forms["tiles"].load_state_dict(forms["natten"].state_dict())
        calls = {name: attention.inference(form, x) for name, form in forms.items()}
        title = "backends of neighborhood, 6 heads of 32 channels, no position bias"
        tables[title] = compare(calls, rounds=rounds, progress="backends")
    return tables


def of_growth(make: Callable[..., nn.Module], rounds: int) -> dict[str, list[Row]]:
    """Every attention on larger and larger images, up to 4 GiB or 10 s."""
    sides = [32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
    rows = attention.growth(mixers(), sides, rounds, seconds=10, mib=4096)
    return {GROWTH: rows}


GROWTH = f"inference of {attention.DIM} channels, square images"
SUITES = {
    "model": model.model,
    "roofline": model.roofline,
    "attention": of_attention,
    "growth": of_growth,
    "norm": norm.norm,
    "data": lambda make, rounds: data.data(rounds),
    "train": train.train,
}


def main() -> None:
    """Run the suites that are named; print their tables, and write them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", choices=SUITES)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each form")
    parser.add_argument("--out", type=Path, help="folder for SUITE.json and SUITE.md")
    parser.add_argument(
        "--plain-malloc", action="store_true",
        help="do not keep freed memory as our commands do: what other programs get",
    )  # fmt: skip
    parser.add_argument(
        "--no-compile", action="store_true", help="leave out forms of the model that are compiled"
    )
    options = parser.parse_args()
    if not options.plain_malloc:
        tune_malloc()
    torch.manual_seed(0)
    for name in options.suites:
        suite = SUITES[name]
        if name == "model" and options.no_compile:
            suite = partial(suite, compiled=False)
        tables = suite(backbone, options.rounds)
        machine = environment() | {"cpu": _cpu(), "command": " ".join(["python", *sys.argv])}
        text = _report(name, tables, machine)
        echo(text)
        if options.out:
            name += "-plain-malloc" * options.plain_malloc
            options.out.mkdir(parents=True, exist_ok=True)
            record = json.dumps({"environment": machine, "tables": tables}, indent=1)
            (options.out / f"{name}.json").write_text(record + "\n")
            (options.out / f"{name}.md").write_text(text)
            if GROWTH in tables:
                families = {word: one.properties.family for word, one in mixers().items()}
                plot_growth(tables[GROWTH], families, options.out / "growth.png")


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
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


if __name__ == "__main__":
    main()
