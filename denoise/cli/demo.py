"""Serve a page to try a model on: denoise demo checkpoint=PATH, then open the address shown."""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from denoise.cli.compose import compose_config, options
from denoise.cli.device import choose_device
from denoise.cli.hydra_main import hydra_main
from denoise.data.crops import to_float
from denoise.data.sets import Photographs
from denoise.image_io.errors import ImageError
from denoise.image_io.photo import Photo
from denoise.image_io.read import read_photo
from denoise.image_io.write import write_photo
from denoise.inference.memory import parse_memory
from denoise.inference.restorer import Restorer, format_report
from denoise.malloc import tune_malloc
from denoise.metrics import psnr, ssim
from denoise.noise.estimation import estimate_sigma
from denoise.results.tables import echo
from denoise.weights.load import open_model
from denoise.weights.released import find_model, released_models

NONE = "none: clean my picture"


@hydra_main
def main(config: DictConfig) -> None:
    """Serve the page until it is stopped."""
    tune_malloc()
    with tempfile.TemporaryDirectory(prefix="denoise-demo-") as folder:
        # Gradio keeps uploads and results there, and serves nothing from elsewhere.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        page = build(config, Path(folder))
        echo(f"http://{config.host}:{config.port}  (Ctrl-C ends it)")
        page.launch(
            server_name=config.host, server_port=config.port, share=False, quiet=True,
            max_file_size=parse_memory(config.upload), footer_links=[],
        )  # fmt: skip


def build(config: DictConfig, folder: Path) -> Any:
    """Build the page.

    Args:
        config: of configs/demo.yaml.
        folder: for photographs and results.

    Raises:
        ValueError: without gradio, or without a model.
    """
    models = find_models(config.checkpoint)
    device = choose_device(config.device)

    @lru_cache(maxsize=1)
    def load(name: str) -> tuple[Restorer, bool]:
        net, trained = open_model(models[name])
        model = trained["backbone"]
        memory = parse_memory(config.memory)
        restorer = Restorer(net.to(device), model["in_channels"], memory=memory)
        return restorer, model["sigma_map"]

    load(next(iter(models)))  # a model that cannot be opened is reported now
    try:
        import gradio
    except ImportError as error:
        raise ValueError("the page needs gradio: pip install '.[demo]'") from error

    def run(path: str | None, noise: str, sigma: float, model: str) -> tuple:
        if path is None:
            raise gradio.Error("Drop a picture first.")
        try:
            photo = read_photo(path, config.max_pixels)
            restorer, takes_sigma = load(model)
        except (ImageError, ValueError) as error:
            raise gradio.Error(str(error).replace(f"{Path(path).parent}/", "")) from error
        clean = photo.pages[0]
        noisy = clean if noise == NONE else add_noise(clean, noise, sigma)
        if takes_sigma and noise == NONE:
            sigma = estimate_sigma(as_tensor(noisy)).item()
        restored, report = restorer(noisy, sigma if takes_sigma else None)
        lines = [format_report(report), *report.warnings]
        if noise != NONE:
            images = {"noisy": noisy, "restored": restored}
            lines += [f"**{name}** {score(image, clean)}" for name, image in images.items()]
        before, after = (
            write_picture(folder, name, pixels)
            for name, pixels in {"before": noisy, "after": restored}.items()
        )
        return (before, after), "<br>".join(lines), after

    return _layout(gradio, run, list(models), photographs(folder))


def _layout(gradio: Any, run: Callable[..., tuple], models: list[str], examples: list[str]) -> Any:
    """Lay out the page, whose button calls `run` with path, noise, sigma and model."""
    with gradio.Blocks(title="denoise") as page:
        gradio.Markdown("# denoise\nDrop a picture, add noise or leave it, and compare.")
        with gradio.Row():
            with gradio.Column(scale=1):
                picture = gradio.Image(type="filepath", label="picture", height=260)
                noise = gradio.Dropdown([NONE, *options("noise")], value="gaussian", label="noise")
                sigma = gradio.Slider(0, 75, 25, step=1, label="sigma, in grey levels of 255")
                model = gradio.Dropdown(models, value=models[0], label="model")
                button = gradio.Button("Denoise", variant="primary")
                gradio.Examples(examples, picture, label="photographs")
            with gradio.Column(scale=2):
                slider = gradio.ImageSlider(label="before | after", height=560, type="filepath")
                report_text = gradio.Markdown()
                saved = gradio.File(label="download")
        button.click(run, [picture, noise, sigma, model], [slider, report_text, saved])
    return page


def find_models(checkpoint: str | None) -> dict[str, Path]:
    """Return the models to choose from.

    Args:
        checkpoint: a model; a folder, for all .ckpt below it, newest first; None for the released.
    """
    if checkpoint is None or checkpoint in released_models():
        names = released_models() if checkpoint is None else [checkpoint]
        return {name: find_model(name) for name in names}
    path = Path(checkpoint)
    if not path.is_dir() or (path / "config.json").is_file():
        return {path.name: path}
    found = sorted(path.rglob("*.ckpt"), key=lambda file: file.stat().st_mtime, reverse=True)
    if not found:
        raise ValueError(f"checkpoint={path} holds no .ckpt: give a model or a folder of runs")
    return {str(file.relative_to(path)): file for file in found}


def add_noise(pixels: np.ndarray, noise: str, sigma: float) -> np.ndarray:
    """Add noise of an option of configs/noise; sigma is for those that have one."""
    config = compose_config(f"noise={noise}", f"sigma={sigma}").noise
    noisy = instantiate(config, _convert_="all")(
        as_tensor(pixels), torch.Generator().manual_seed(0)
    )
    noisy = noisy[0].permute(1, 2, 0).clamp(0, 1).numpy()
    if pixels.dtype.kind == "u":
        noisy = (noisy * np.iinfo(pixels.dtype).max).round()
    return noisy.astype(pixels.dtype)


def score(image: np.ndarray, clean: np.ndarray) -> str:
    """Return PSNR and SSIM of an image as text."""
    pair = as_tensor(image), as_tensor(clean)
    return f"{psnr(*pair).item():.2f} dB, SSIM {ssim(*pair).item():.4f}"


def write_picture(folder: Path, name: str, pixels: np.ndarray) -> str:
    """Write pixels as `name`.png to a new folder inside `folder`, and return the path."""
    path = Path(tempfile.mkdtemp(dir=folder)) / f"{name}.png"
    write_photo(Photo([pixels], [None]), path)
    return str(path)


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Convert pixels (H, W, C) of any depth to (1, C, H, W) in [0, 1]."""
    return to_float(torch.from_numpy(pixels.copy())).permute(2, 0, 1)[None]


def photographs(folder: Path) -> list[str]:
    """Copy the photographs of the test split, which no model here is trained on, to a folder."""
    return [str(shutil.copy(file, folder)) for file in Photographs(split="test", channels=3).files]


if __name__ == "__main__":
    main()
