"""Print the table of all attentions: what each is, states of itself, and costs."""

import argparse

import torch
from hydra.utils import instantiate

from denoise.benchmark.attention import DIM, HEADS, growth, properties
from denoise.cli.compose import compose_config, options
from denoise.malloc import tune_malloc
from denoise.results.tables import echo, markdown

SIDES = (64, 128, 256)


def main() -> None:
    """Measure every word of configs/attention that is one mixer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="attentions; all if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each measurement")
    arguments = parser.parse_args()
    tune_malloc()
    torch.manual_seed(0)
    mixers = {}
    for word in arguments.words or options("attention"):
        maker = instantiate(compose_config(f"attention={word}").attention, _convert_="all")
        if callable(maker):  # per_level is several
            mixers[word] = maker(DIM, HEADS, 1).eval()
    table = properties(mixers, SIDES[-1])
    for row in growth(mixers, SIDES, arguments.rounds, seconds=60, mib=4096):
        table[row["form"]][f"ms at {row['side']}"] = row["ms"]
        table[row["form"]][f"MiB at {row['side']}"] = row["peak MiB"]
    rows = [{"attention": name, **row} for name, row in table.items()]
    echo(markdown(rows))


if __name__ == "__main__":
    main()
