"""HTML and inline SVG from the templates beside this file, which escape all values."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
INSET = 14  # between the sides of a chart's area and its points
STEPS = (0.5, 1, 2, 5, 10, 20, 50, 100)  # between two ticks of the y axis


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


class Chart(NamedTuple):
    """A line chart; ticks are coordinates with texts, in the units of the view box."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]
    width: int = 520
    height: int = 340
    left: int = 56
    right: int = 504
    top: int = 14
    bottom: int = 288


def render(template: str, **values: Any) -> str:
    """Return a template filled in, with all values escaped."""
    return TEMPLATES.get_template(template).render(values)


def chart(
    title: str,
    axes: tuple[str, str],
    lines: Mapping[str, Sequence[tuple[float, float]]],
    classes: Mapping[str, str],
) -> Chart:
    """Lay out a line chart with axes and a legend for the template chart.html.

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
    empty = Chart(title, *axes, [], [], [])

    def to_x(x: float) -> float:
        share = (x - xs[0]) / ((xs[-1] - xs[0]) or 1)
        return round(empty.left + INSET + share * (empty.right - empty.left - 2 * INSET), 1)

    def to_y(y: float) -> float:
        share = (high - y) / (high - low)
        return round(empty.top + share * (empty.bottom - empty.top), 1)

    ticks = [low + i * step for i in range(round((high - low) / step) + 1)]
    return empty._replace(
        x_ticks=[(to_x(x), f"{x:g}") for x in xs],
        y_ticks=[(to_y(y), f"{y:g}") for y in ticks],
        lines=[
            Line(
                name,
                classes[name],
                [Point(to_x(x), to_y(y), f"{x:g}: {y:.2f}") for x, y in sorted(line)],
            )
            for name, line in lines.items()
        ],
    )
