"""Figures are drawn at a legible size, with something in them."""

import numpy as np
import pytest
from PIL import Image
from study_tables import write_tables
from tiny_study import options

from denoise.study import figures
from denoise.study.declaration import declare
from denoise.study.findings import chosen_curves, find, rates_tried, read_tables


@pytest.fixture
def tables(tmp_path):
    return read_tables(write_tables(tmp_path))


def colours(path):
    """Colours of a picture that cover more than a few pixels."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert len(pixels) > 200_000
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(map(int, c)) for c in found[counts > 20]}


def rgb(text):
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))


def test_forest_has_the_colours_of_its_verdicts(tables, tmp_path):
    found = find(declare(options()), tables)
    figures.forest(found.verdicts, 0.03, "conv1x1", tmp_path / "a.png")
    seen = colours(tmp_path / "a.png")
    assert rgb(figures.COLOURS["better"]) in seen
    assert rgb(figures.COLOURS["worse"]) in seen


def test_one_seed_is_drawn_without_interval(tables, tmp_path):
    one = tables._replace(scores=tables.scores[tables.scores["seed"] == 0])
    figures.forest(find(declare(options()), one).verdicts, 0.03, "gate", tmp_path / "a.png")
    assert rgb(figures.COLOURS["undecided"]) in colours(tmp_path / "a.png")


def test_all_others_are_drawn(tables, tmp_path):
    study = declare(options())
    found = find(study, tables)
    figures.quality_over_cost(found.arms, [("parameters", "parameters")], tmp_path / "cost.png")
    figures.learning_curves(chosen_curves(tables, found.rung), found.order, tmp_path / "curve.png")
    figures.rate_curves(rates_tried(study, tables), tmp_path / "rates.png")
    figures.critical_difference(tables.scores[tables.scores["rung"] == "B"], tmp_path / "ranks.png")
    figures.strata_map(found.strata, found.order, tmp_path / "strata.png")
    for name in ("cost", "curve", "rates", "ranks", "strata"):
        assert len(colours(tmp_path / f"{name}.png")) > 2, name


def test_of_equal_costs_the_better_is_on_the_front():
    assert figures.pareto_front([2, 1, 1, 3, 3], [30, 29, 28, 30, 31]) == [
        (1, 29),
        (2, 30),
        (3, 31),
    ]
