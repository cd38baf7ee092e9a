"""HTML and inline SVG from the templates beside this file, which escape what they are given."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
WIDTH, HEIGHT = 520, 340  # of a chart, in the units of its view box
LEFT, RIGHT, TOP, BOTTOM = 56, WIDTH - 16, 14, HEIGHT - 52  # of the area within the axes
INSET = 14  # between that area's sides and the points
STEPS = (0.5, 1, 2, 5, 10, 20, math.inf)  # between two ticks of the y axis


class Point(NamedTuple):
    """A point of a chart, in the units of its view box, and its values as text."""

    x: float
    y: float
    text: str


class Line(NamedTuple):
    """A line of a chart: its name in the legend, CSS class, and points from left to right."""

    name: str
    style: str
    points: list[Point]


def render(template: str, **values: Any) -> Markup:
    """Return a template filled in; values are escaped, except Markup."""
    return Markup(TEMPLATES.get_template(template).render(values))


def chart(
    title: str,
    axes: tuple[str, str],
    lines: Mapping[str, Sequence[tuple[float, float]]],
    classes: Mapping[str, str],
) -> Markup:
    """Return a line chart with axes and a legend.

    Args:
        title: Caption.
        axes: Labels of the x and the y axis.
        lines: Finite points (x, y) by the name of their line.
        classes: CSS class of each line by name.
    """
    xs, ys = (sorted({point[axis] for line in lines.values() for point in line}) for axis in (0, 1))
    step = next(step for step in STEPS if (ys[-1] - ys[0]) / step <= 7)
    low = math.floor(ys[0] / step) * step
    high = max(math.ceil(ys[-1] / step) * step, low + step)

    def to_x(x: float) -> float:
        share = (x - xs[0]) / ((xs[-1] - xs[0]) or 1)
        return round(LEFT + INSET + share * (RIGHT - LEFT - 2 * INSET), 1)

    def to_y(y: float) -> float:
        return round(TOP + (high - y) / (high - low) * (BOTTOM - TOP), 1)

    ticks = [low + i * step for i in range(round((high - low) / step) + 1)]
    drawn = [
        Line(name, classes[name], [Point(to_x(x), to_y(y), f"{x:g}: {y:.2f}") for x, y in points])
        for name, points in ((name, sorted(line)) for name, line in lines.items())
    ]
    return render(
        "chart.html",
        title=title,
        x_label=axes[0],
        y_label=axes[1],
        x_ticks=[(to_x(x), f"{x:g}") for x in xs],
        y_ticks=[(to_y(y), f"{y:g}") for y in ticks],
        lines=drawn,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=RIGHT,
        top=TOP,
        bottom=BOTTOM,
    )
