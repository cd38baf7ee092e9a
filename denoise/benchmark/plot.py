"""How time and memory grow with the image, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from denoise.benchmark.timing import Row

COLOURS = {
    "global": "#c1272d", "sparse global": "#e08214", "window": "#2166ac", "local": "#1b7837",
    "channel": "#762a83", "gating": "#7f6000", "none": "#888888",
}  # fmt: skip


def plot_growth(rows: Sequence[Row], families: Mapping[str, str], path: Path) -> None:
    """Draw time and peak memory over the number of pixels, both axes logarithmic.

    Args:
        rows: of `growth`.
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
        for name in dict.fromkeys(row["form"] for row in rows):
            line = [(row["side"] ** 2, row[key]) for row in rows if row["form"] == name]
            line = [(x, y) for x, y in line if y > 0]
            if not line:
                continue
            family = families[name].partition(" +")[0]
            axis.plot(*zip(*line, strict=True), color=COLOURS[family], lw=1.4, marker=".", ms=4)
            ends.append((line[-1], name, COLOURS[family]))
        axis.set(xscale="log", yscale="log", xlabel="pixels", title=title)
        axis.grid(alpha=0.25, which="both", lw=0.5)
        low, high = axis.get_ylim()
        last = None
        # Names stand in the margin in the order of the line ends, far enough apart to be read.
        gap = (high / low) ** (1 / 34)
        right = max(x for (x, _), _, _ in ends) * 1.6
        for (x, y), name, colour in sorted(ends, key=lambda end: end[0][1]):
            last = y if last is None else max(y, last * gap)
            axis.annotate(
                name, (x, y), (right, last), color=colour, fontsize=8, va="center",
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "alpha": 0.6},
            )  # fmt: skip
        axis.set_xlim(right=right * 4)
        start = min(row["side"] for row in rows) ** 2
        for power, style in ((1, ":"), (2, "--")):
            floor = max(low, min(row[key] for row in rows if row[key] > 0))
            guide = [(start, floor), (start * 64, floor * 64**power)]
            axis.plot(*zip(*guide, strict=True), color="black", lw=0.8, ls=style, alpha=0.6)
            axis.annotate(f"pixels^{power}", guide[1], fontsize=8, alpha=0.7)
        axis.set_ylim(low, high)
    handles = [pyplot.Line2D([], [], color=colour, label=name) for name, colour in COLOURS.items()]
    axes[0].legend(handles=handles, fontsize=8, loc="upper left")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
