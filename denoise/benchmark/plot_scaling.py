"""The chart of time and memory over the size of the image."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from denoise.benchmark.timing import Row

COLOURS = {
    "global": "#c1272d", "sparse global": "#e08214", "window": "#2166ac", "local": "#1b7837",
    "channel": "#762a83", "gating": "#7f6000",
}  # fmt: skip


def plot_scaling(rows: Sequence[Row], families: Mapping[str, str], path: Path) -> None:
    """Draw time and peak memory over the number of pixels, both axes logarithmic.

    Args:
        rows: of `scale`.
        families: of the mixers, by name.
        path: of the picture.

    Raises:
        ImportError: without matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 7.5), layout="constrained")
    for axis, (key, title) in zip(
        axes, {"ms": "time, ms", "peak MiB": "peak memory, MiB"}.items(), strict=True
    ):
        ends = []
        for name in dict.fromkeys(row["variant"] for row in rows):
            line = [(row["side"] ** 2, row[key]) for row in rows if row["variant"] == name]
            family = families[name].partition(" +")[0]
            if family == "none":  # takes microseconds
                continue
            axis.plot(*zip(*line, strict=True), color=COLOURS[family], lw=1.4, marker=".", ms=4)
            ends.append((line[-1], name, COLOURS[family]))
        axis.set(xscale="log", yscale="log", xlabel="pixels", title=title)
        axis.grid(alpha=0.25, which="both", lw=0.5)
        low, high = axis.get_ylim()
        # Names stand in the margin in the order of the line ends, far enough apart to be read.
        ends.sort(key=lambda end: end[0][1])
        heights = _spread([math.log(y / low) / math.log(high / low) for (_, y), _, _ in ends])
        right = max(x for (x, _), _, _ in ends)
        for (point, name, colour), height in zip(ends, heights, strict=True):
            axis.annotate(
                name, point, (1.03, height), textcoords="axes fraction", color=colour, fontsize=8,
                va="center", annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "alpha": 0.6},
            )  # fmt: skip
        axis.set_xlim(right=right * 1.5)
        start = min(row["side"] for row in rows) ** 2
        for power, style in ((1, ":"), (2, "--")):
            guide = [(start, 1.5 * low), (start * 32, 1.5 * low * 32**power)]
            axis.plot(*zip(*guide, strict=True), color="black", lw=0.8, ls=style, alpha=0.6)
            axis.annotate(f"pixels^{power}", guide[1], fontsize=8, alpha=0.7)
        axis.set_ylim(low, high)
    handles = [pyplot.Line2D([], [], color=colour, label=name) for name, colour in COLOURS.items()]
    axes[0].legend(handles=handles, fontsize=8, loc="upper left")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _spread(heights: Sequence[float], gap: float = 0.034) -> list[float]:
    """Keep ascending heights between 0 and 1 a gap apart, in a pass up and one down."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap if moved else 0.0))
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], moved[i + 1] - gap if i + 1 < len(moved) else 1.0)
    return moved
