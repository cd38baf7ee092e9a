"""Measure and draw the receptive field of every attention: `python docs/_ext/receptive_fields.py`.

The gradient of one output pixel with respect to the input of a mixer with random parameters shows
which pixels decide it, and how much. Pictures go to docs/attention/NAME.png.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import torch
from mixers import factories, randomize
from torch import Tensor, nn

from denoise.cli.compose import options

SIDE, DIM, HEADS = 48, 16, 2
INSIDE, CORNER = (21, 20), (2, 2)
DECADES = 4


def influence(
    factory: Callable[..., nn.Module], block: int, pixel: tuple[int, int], draws: int
) -> Tensor:
    """Return the mean size of the gradient of an output pixel, (SIDE, SIDE), largest 1.

    Args:
        factory: makes the mixer from (dim, num_heads, block_index).
        block: index of the block.
        pixel: row and column of the output pixel.
        draws: of parameters and image, whose mean is returned.
    """
    total = torch.zeros(SIDE, SIDE, dtype=torch.float64)
    for seed in range(draws):
        torch.manual_seed(seed)
        mixer = randomize(factory(DIM, HEADS, block)).double().eval()
        x = torch.randn(1, DIM, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
        row, column = pixel
        (mixer(x)[0, :, row, column] * torch.randn(DIM, dtype=torch.float64)).sum().backward()
        gradient = x.grad[0].square().mean(0).sqrt()
        total += gradient / gradient.max()
    return total / total.max()


def panels(name: str, draws: int) -> dict[str, tuple[Tensor, tuple[int, int]]]:
    """Return the fields to draw for `attention=name`, with their output pixels, by title."""
    made = factories(name)
    if len(made) > 1:
        return {label: (influence(make, 0, INSIDE, draws), INSIDE) for label, make in made.items()}
    (factory,) = made.values()
    even, odd = (influence(factory, block, INSIDE, draws) for block in (0, 1))
    alternates = not torch.equal(even, odd)
    shown = {"even block": (even, INSIDE), "odd block": (odd, INSIDE)} if alternates else {
        "a pixel inside": (even, INSIDE)}  # fmt: skip
    return shown | {"near a corner": (influence(factory, 0, CORNER, draws), CORNER)}


def draw(name: str, path: Path, draws: int = 4) -> None:
    """Draw the receptive fields of `attention=name` side by side."""
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import LogNorm

    shown = panels(name, draws)
    size = (2.35 * len(shown) + 0.7, 2.55)
    figure, axes = pyplot.subplots(1, len(shown), figsize=size, layout="constrained", squeeze=False)
    colours = pyplot.get_cmap("viridis_r").with_extremes(bad="white", under="#f1ecb2")
    scale = LogNorm(10.0**-DECADES, 1)
    for axis, (title, (field, (row, column))) in zip(axes[0], shown.items(), strict=True):
        picture = axis.imshow(field.where(field > 0, torch.nan).numpy(), norm=scale, cmap=colours)
        axis.plot(column, row, "+", color="#d62728", ms=9, mew=1.6)
        axis.set(xticks=[0, 16, 32, 47], yticks=[0, 16, 32, 47])
        axis.tick_params(labelsize=7, length=2, color="grey")
        axis.set_title(title, fontsize=9)
    bar = figure.colorbar(picture, ax=axes, shrink=0.86, aspect=18, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    for option in sys.argv[1:] or options("attention"):
        draw(option, Path(__file__).parents[1] / "attention" / f"{option}.png")
