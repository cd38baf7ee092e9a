"""The chart of time and memory over the size of the image."""

from itertools import pairwise

from PIL import Image

from denoise.benchmark.plot_scaling import _spread, plot_scaling


def test_a_chart_is_drawn(tmp_path):
    rows = [
        {"variant": name, "side": side, "ms": factor * side, "peak MiB": factor * side**2}
        for name, factor in {"swin": 1.0, "mdta": 2.0, "dual": 2.0, "none": 0.1}.items()
        for side in (16, 32)
    ]
    families = {"swin": "window", "mdta": "channel", "dual": "window + channel", "none": "none"}
    plot_scaling(rows, families, tmp_path / "scaling.png")
    with Image.open(tmp_path / "scaling.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(2**20)) > 10


def test_labels_keep_their_distance():
    heights = _spread([0.1, 0.1, 0.5, 0.99, 1.0], gap=0.04)
    assert all(b - a >= 0.04 - 1e-9 for a, b in pairwise(heights))
    assert heights[2] == 0.5
    assert heights[-1] <= 1
