"""Serve a page to try a model on: denoise demo checkpoint=PATH, then open the address shown."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
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
from denoise.errors import first_line, is_out_of_memory
from denoise.image_io.photo import Photo
from denoise.image_io.read import read_photo
from denoise.image_io.write import write_photo
from denoise.inference.memory import memory_budget, parse_memory
from denoise.inference.restorer import Restorer, format_report
from denoise.malloc import tune_malloc
from denoise.metrics import WINDOW, psnr, ssim
from denoise.noise.estimation import estimate_sigma
from denoise.results.tables import echo
from denoise.weights.load import open_model
from denoise.weights.released import find_model, released_models

NONE = "none: clean my picture"
NOISES = [name for name in options("noise") if name != "none"]
NO_SSIM = f"too small for SSIM, which needs {WINDOW} pixels a side"
PROBE = 128  # side in pixels of the picture by which the speed of a model is measured


@hydra_main
def main(config: DictConfig) -> None:
    """Serve the page until it is stopped."""
    tune_malloc()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder is removed
    with tempfile.TemporaryDirectory(prefix="denoise-demo-") as folder:
        # Gradio keeps uploads and results there, and serves nothing from elsewhere.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        page = build(config, Path(folder))
        ended = threading.Event()
        cleaner = threading.Thread(target=_clean, args=(Path(folder), config.keep, ended))
        cleaner.start()
        echo(f"http://{config.host}:{config.port}  (Ctrl-C ends it)")
        try:
            page.queue(max_size=config.queue, default_concurrency_limit=1).launch(
                server_name=config.host, server_port=config.port, share=False, quiet=True,
                max_file_size=parse_memory(config.upload), footer_links=[],
            )  # fmt: skip
        finally:
            ended.set()
            cleaner.join()


def build(config: DictConfig, folder: Path) -> Any:
    """Build the page.

    Args:
        config: of configs/demo.yaml.
        folder: for photographs and results.

    Raises:
        ValueError: without gradio, or without a model.
    """
    models = find_models(config.checkpoint)
    load = lru_cache(maxsize=1)(lambda name: Model(models[name], config))
    load(next(iter(models)))  # a model that cannot be opened is reported now
    try:
        import gradio
    except ImportError as error:
        raise ValueError("the page needs gradio: pip install '.[demo]'") from error

    def run(path: str | None, noise: str, sigma: float, model: str) -> tuple:
        if path is None:
            raise gradio.Error("Drop a picture first.")
        try:
            photo = read_photo(path, config.max_pixels, parse_memory(config.memory))
            before, after, lines = restore_page(photo, load(model), noise, sigma, config.seconds)
        except Exception as error:  # whatever it is, the next picture is not to suffer
            reason = "out of memory" if is_out_of_memory(error) else first_line(error)
            raise gradio.Error(reason.replace(f"{Path(path).parent}/", "")) from error
        files = [write_picture(folder, "before", before), write_picture(folder, "after", after)]
        return tuple(files), "<br>".join(lines), files[1]

    return _layout(gradio, run, list(models), photographs(folder))


class Model:
    """A model as the page uses it.

    Args:
        path: of its checkpoint.
        config: of configs/demo.yaml.
    """

    def __init__(self, path: Path, config: DictConfig) -> None:
        net, trained = open_model(path)
        net = net.to(choose_device(config.device))
        channels, self.takes_sigma = (trained["backbone"][k] for k in ("in_channels", "sigma_map"))
        memory = memory_budget(parse_memory(config.memory), net, channels)
        self.restorer = Restorer(net, channels, memory=memory)
        probe = np.zeros((PROBE, PROBE, channels), np.float32)
        begun = time.perf_counter()
        self.restorer(probe, 25.0 if self.takes_sigma else None)
        self.seconds_per_pixel = (time.perf_counter() - begun) / PROBE**2

    def check_time(self, pixels: int, limit: float) -> None:
        """Refuse a picture that would hold up all others.

        Raises:
            ValueError: if it takes longer than the limit in seconds.
        """
        seconds = pixels * self.seconds_per_pixel
        if seconds > limit:
            raise ValueError(
                f"{pixels / 1e6:.1f} Mpx take about {seconds:.0f} s here, and {limit:g} s are "
                "allowed: crop the picture, or use denoise restore"
            )


def restore_page(
    photo: Photo, model: Model, noise: str, sigma: float, limit: float
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Restore the first page of a picture, after adding noise to it if asked.

    Args:
        photo: the picture.
        model: restores it.
        noise: an option of configs/noise, or NONE.
        sigma: of the noise, in grey levels.
        limit: seconds that it may take.

    Returns:
        The page before and after, and lines of Markdown.

    Raises:
        ValueError: if it would take longer.
    """
    clean = photo.pages[0]
    model.check_time(clean.shape[0] * clean.shape[1], limit)
    noisy = clean if noise == NONE else add_noise(clean, noise, sigma)
    if model.takes_sigma and noise == NONE:
        sigma = estimate_sigma(as_tensor(noisy)).item()
    restored, report = model.restorer(noisy, sigma if model.takes_sigma else None)
    lines = [format_report(report), *report.warnings]
    if len(photo.pages) > 1:
        lines.insert(0, f"page 1 of {len(photo.pages)}")
    if noise != NONE:
        images = {"noisy": noisy, "restored": restored}
        lines += [f"**{name}** {score(image, clean)}" for name, image in images.items()]
    return noisy, restored, lines


def _clean(folder: Path, keep: float, ended: threading.Event) -> None:
    """Remove what visitors left, until the page is stopped."""
    while not ended.wait(min(keep, 30)):
        remove_old(folder, keep)


def remove_old(folder: Path, keep: float) -> None:
    """Remove the folders of uploads and results in a folder that are older than so many seconds."""
    for path in folder.iterdir():
        if path.is_dir() and time.time() - path.stat().st_mtime > keep:
            shutil.rmtree(path, ignore_errors=True)


def _layout(gradio: Any, run: Callable[..., tuple], models: list[str], examples: list[str]) -> Any:
    """Lay out the page, whose button calls `run` with path, noise, sigma and model."""
    with gradio.Blocks(title="denoise") as page:
        gradio.Markdown("# denoise\nDrop a picture, add noise or leave it, and compare.")
        with gradio.Row():
            with gradio.Column(scale=1):
                picture = gradio.Image(type="filepath", label="picture", height=260)
                noise = gradio.Dropdown([NONE, *NOISES], value="gaussian", label="noise")
                sigma = gradio.Slider(0, 75, 25, step=1, label="sigma, in grey levels of 255")
                model = gradio.Dropdown(models, value=models[0], label="model")
                button = gradio.Button("Denoise", variant="primary", interactive=False)
                gradio.Examples(examples, picture, label="photographs")
            with gradio.Column(scale=2):
                slider = gradio.ImageSlider(label="before | after", height=560, type="filepath")
                report_text = gradio.Markdown()
                saved = gradio.File(label="download")
        # Clickable once the upload has ended.
        ready = {"inputs": picture, "outputs": button, "queue": False, "show_progress": "hidden"}
        picture.change(lambda path: gradio.Button(interactive=path is not None), **ready)
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
    similarity = f"SSIM {ssim(*pair).item():.4f}" if min(clean.shape[:2]) >= WINDOW else NO_SSIM
    return f"{psnr(*pair).item():.2f} dB, {similarity}"


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
