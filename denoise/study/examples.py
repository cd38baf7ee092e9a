"""Windows of images where the best arm and its control differ most, side by side."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas
import torch
from PIL import Image, ImageDraw, ImageFont

from denoise.data.crops import WholeImages, to_float
from denoise.data.sets import ImageSet
from denoise.evaluation.protocols import Independent
from denoise.metrics import psnr, quantize
from denoise.noise.estimation import model_sigma
from denoise.results.figures import to_pil
from denoise.study.declaration import Study
from denoise.study.findings import find, read_tables
from denoise.study.store import Store
from denoise.weights.load import load_model

EXAMPLES = "examples.png"
SIDE, ZOOM, LINE = 64, 3, 20  # of a window in pixels, its enlargement, the height of its caption


def add_examples(store: Store, study: Study, sets: Callable[[str], Mapping[str, ImageSet]]) -> None:
    """Draw the examples of the best arm and its control, if their checkpoints are here.

    Args:
        store: Of the study.
        study: What is declared.
        sets: Loads an option of the group data.
    """
    tables = read_tables(store.folder)
    found = find(study, tables)
    rows = tables.scores[
        (tables.scores["rung"] == found.rung.name) & tables.scores["set"].isin(found.sets)
    ]
    if found.best is None:
        return
    arm = next(arm for arm in study.arms if arm.name == found.best)
    control = study.control_of(arm)
    checkpoints = {}
    for one in filter(None, (arm, control)):
        own = rows[rows["arm"] == one.name].sort_values("seed")
        seed, rate = own.iloc[0][["seed", "rate"]]
        if (path := store.checkpoint(found.rung.name, one.name, seed, rate)) is not None:
            checkpoints[one.name] = path
    if control is None or len(checkpoints) < 2:
        return
    sigma = study.choose[1]
    images = most_different(rows, arm.name, control.name, sigma)
    loaded = {
        name: one
        for option in found.rung.scoring.sets
        for name, one in sets(option).items()
        if name in found.sets
    }
    path = store.folder / "report" / EXAMPLES
    draw_examples(images, loaded, checkpoints, sigma, found.rung.scoring.crop, path)


def most_different(
    scores: pandas.DataFrame, arm: str, control: str, sigma: float, count: int = 2
) -> list[tuple[str, str]]:
    """Return the images, as set and name, on which an arm gains most, and those where it loses.

    Args:
        scores: Rows of one rung.
        arm: Name of an arm.
        control: Name of the arm that it is compared with.
        sigma: Noise level in grey levels.
        count: Of the best, and of the worst.
    """
    chosen = scores[scores["sigma"] == sigma]
    table = chosen.groupby(["set", "image", "arm"])["psnr"].mean().unstack("arm")
    order = (table[arm] - table[control]).dropna().sort_values(ascending=False).index
    kept = [*order[:count], *order[-count:]]
    return list(dict.fromkeys(kept))


@torch.inference_mode()
def draw_examples(
    images: Sequence[tuple[str, str]],
    sets: Mapping[str, ImageSet],
    checkpoints: Mapping[str, Path],
    sigma: float,
    crop: int | None,
    path: Path,
) -> None:
    """Draw a row an image: noisy, each model, clean, in the window where the models differ most.

    Args:
        images: Set and name of each.
        sets: Image sets by name.
        checkpoints: By the name of the model.
        sigma: Noise level in grey levels.
        crop: Side of the centre that was scored in pixels.
        path: Of the picture.
    """
    nets = {name: load_model(checkpoint)[0] for name, checkpoint in checkpoints.items()}
    rows = []
    items = WholeImages(sets, crop)
    for item in (items[number] for number in range(len(items))):
        if (item["set"], item["name"]) not in images:
            continue
        clean = to_float(item["clean"])[None]
        noisy = Independent().add_noise(clean, sigma)
        level = model_sigma(noisy, sigma)
        restored = {name: quantize(net(noisy, level)) for name, net in nets.items()}
        first, second = list(restored.values())[:2]
        top, left = _window((first - second).abs().mean(1)[0])
        panels = {"noisy": noisy, **restored, "clean": clean}
        captions = {
            name: name if name == "clean" else f"{name}  {psnr(image, clean).item():.2f} dB"
            for name, image in panels.items()
        }
        window = (0, slice(None), slice(top, top + SIDE), slice(left, left + SIDE))
        title = f"{item['set']} {item['name']}"
        row = _row({captions[n]: to_pil(image[window]) for n, image in panels.items()}, title)
        rows.append((images.index((item["set"], item["name"])), row))
    pictures = [picture for _, picture in sorted(rows, key=lambda row: row[0])]
    whole = Image.new("RGB", (pictures[0].width, sum(p.height for p in pictures)), "white")
    height = 0
    for picture in pictures:
        whole.paste(picture, (0, height))
        height += picture.height
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path)


def _window(difference: torch.Tensor) -> tuple[int, int]:
    """Return the corner of the window with the largest mean of a map, (H, W)."""
    side = min(SIDE, *difference.shape)
    means = torch.nn.functional.avg_pool2d(difference[None, None], side, stride=4)[0, 0]
    row, column = divmod(int(means.argmax()), means.shape[1])
    return 4 * row, 4 * column


def _row(panels: Mapping[str, Image.Image], title: str) -> Image.Image:
    size, font = SIDE * ZOOM, ImageFont.load_default(13)
    row = Image.new("RGB", (len(panels) * (size + 6), size + 2 * LINE + 6), "white")
    draw = ImageDraw.Draw(row)
    draw.text((2, 2), title, fill="black", font=font)
    for number, (caption, panel) in enumerate(panels.items()):
        left = number * (size + 6)
        row.paste(panel.resize((size, size), Image.Resampling.NEAREST), (left, LINE))
        draw.text((left + 2, LINE + size + 2), caption, fill="black", font=font)
    return row
