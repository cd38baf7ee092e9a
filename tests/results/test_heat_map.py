"""The picture of gains."""

import numpy as np
from PIL import Image

from denoise.evaluation.generalisation import Cell, Difference
from denoise.results.heat_map import draw_heat_map


def test_gains_are_blue_and_losses_red(tmp_path):
    long = "a very long name of a checkpoint in outputs/2026/best.ckpt"
    gains = {("a", "white"): 10, ("a", "jpeg"): -10, (long, "white"): 0, (long, "jpeg"): 1}
    none = Difference(0, 0, 0)
    cells = [
        Cell(model, noise, 30, Difference(gain, gain - 1, gain + 1), none, "a")
        for (model, noise), gain in gains.items()
    ]
    draw_heat_map(cells, tmp_path / "map.png")
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    picture = picture[:, : int(0.8 * picture.shape[1])]  # without the bar of colours
    red = (picture[..., 0] > picture[..., 2] + 50).any(0).nonzero()[0]
    blue = (picture[..., 2] > picture[..., 0] + 50).any(0).nonzero()[0]
    assert blue.min() < blue.max() <= red.min() + 2 < red.max()
