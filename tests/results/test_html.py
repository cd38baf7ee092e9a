"""Templates escape their values; a chart's points lie where they belong."""

import pytest
from jinja2 import UndefinedError

from denoise.results.html import chart, render

AXES = ("x", "y")


def test_values_are_escaped():
    name = "<b>\"&'"
    made = chart(name, (name, name), {name: [(1, 2.0)]}, {name: "ours"})
    html = render("chart.html", chart=made)
    assert "<b>" not in html
    assert html.count("&lt;b&gt;&#34;&amp;&#39;") == 8


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="chart"):
        render("chart.html")


def test_points_lie_where_they_belong():
    made = chart("t", AXES, {"one": [(20, 30.0), (10, 20.0)], "two": [(10, 25.0)]},
                 {"one": "hue0", "two": "ours"})  # fmt: skip
    (low, high), (middle,) = (line.points for line in made.lines)
    assert [line.style for line in made.lines] == ["hue0", "ours"]
    assert made.left < low.x == middle.x < high.x < made.right
    assert made.top <= high.y < middle.y < low.y <= made.bottom
    assert middle.y == pytest.approx((low.y + high.y) / 2, abs=0.1)
    assert low.text == "10: 20.00"
    assert [text for _, text in made.x_ticks] == ["10", "20"]
    assert [x for x, _ in made.x_ticks] == [low.x, high.x]
    ticks = {text: y for y, text in made.y_ticks}
    assert (ticks["20"], ticks["30"]) == (low.y, high.y)
    html = render("chart.html", chart=made)
    assert f'd="M{low.x} {low.y}L{high.x} {high.y}"' in html
    assert f'<circle class="ours" cx="{middle.x}" cy="{middle.y}" r="4.5">' in html


@pytest.mark.parametrize("ys", [(20.0,), (20.0, 20.0), (3.0, 500.0), (-1.5, -1.4)])
def test_any_range_gets_a_few_ticks(ys):
    made = chart("t", AXES, {"one": list(enumerate(ys)), "none": []}, {"one": "a", "none": "b"})
    assert 2 <= len(made.y_ticks) <= 9
    for point in made.lines[0].points:
        assert made.top <= point.y <= made.bottom
        assert made.left < point.x < made.right
    assert "nan" not in render("chart.html", chart=made)
