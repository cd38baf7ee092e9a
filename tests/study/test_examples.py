"""Windows where the best arm and its control differ."""

import numpy as np
from harness import make
from PIL import Image
from runs import plain, save
from study_tables import scores

from denoise.study.examples import draw_examples, most_different


def test_the_best_and_the_worst_images():
    rows = scores({"gate": 0.0, "good": 0.0}, images=9)
    for image, gain in {"i3": 1.0, "i5": 0.5, "i2": -1.0, "i8": -0.5}.items():
        rows.loc[(rows["arm"] == "good") & (rows["image"] == image), "psnr"] += gain
    found = most_different(rows, "good", "gate", 25.0)
    assert [image for _, image in found] == ["i3", "i5", "i8", "i2"]


def test_a_row_an_image(tmp_path, photos):
    paths = {}
    for name in ("sca", "conv1x1"):
        config = plain("data@test=folder", f"test.folder.path={photos}", f"attention={name}")
        paths[name] = tmp_path / f"{name}.ckpt"
        save(paths[name], config)
    sets = make("test", "data@test=folder", f"test.folder.path={photos}", "run_dir=.")
    images = [("folder", "cup"), ("folder", "cat")]
    draw_examples(images, sets, paths, 25.0, 40, tmp_path / "out" / "a.png")
    picture = Image.open(tmp_path / "out" / "a.png")
    width, height = picture.size
    assert width == 4 * (64 * 3 + 6)  # noisy, two models, clean
    assert height % 2 == 0
    assert np.asarray(picture).std() > 20
