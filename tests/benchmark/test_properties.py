"""The table of what the attentions state of themselves."""

from harness import make

from denoise.benchmark.properties import stated_properties
from denoise.results.tables import markdown


def test_properties_are_laid_out():
    names = "swin", "mdta", "none"
    mixers = {name: make("attention", f"attention={name}")(48, 2, 1).eval() for name in names}
    table = stated_properties(mixers, 64)
    assert table["swin"]["receptive field"] == "7 px"
    assert table["swin"]["shift period"] == "8 px"
    assert table["mdta"]["receptive field"] == "image"
    assert table["mdta"]["tile-exact"] == "no"
    assert table["none"]["parameters"] == 0
    assert "| window |" in markdown(list(table.values()))
