"""Restore a photograph with the model.onnx beside this file: python run.py noisy.png clean.png.

Needs numpy, onnxruntime and pillow, nothing else: pip install numpy onnxruntime pillow
"""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

Net = Callable[[np.ndarray], np.ndarray]


class Model:
    """A model.onnx and what its metadata states of it.

    Args:
        path: of the file.

    Raises:
        ValueError: where it cannot be read, or states nothing of itself.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        if not path.is_file():
            raise ValueError(f"{path}: no such model; give one with --model")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if hasattr(os, "sched_getaffinity"):
            options.intra_op_num_threads = len(os.sched_getaffinity(0))
        known = onnxruntime.get_available_providers()
        wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in known]
        try:
            self.session = onnxruntime.InferenceSession(os.fspath(path), options, providers=wanted)
        except Exception as error:
            raise ValueError(f"{path}: is no model: {str(error).splitlines()[0]}") from error
        stated = self.session.get_modelmeta().custom_metadata_map
        try:
            (
                self.channels,
                self.out_channels,
                self.size_multiple,
                self.smallest,
                self.alignment,
                self.min_size,
            ) = (
                int(stated[name])
                for name in (
                    "channels",
                    "out_channels",
                    "size_multiple",
                    "smallest",
                    "alignment",
                    "min_size",
                )
            )
        except KeyError as error:
            raise ValueError(f"{path}: does not state its {error}: export it again") from error
        self.halo = int(stated["halo"]) if "halo" in stated else None
        self.takes_sigma = stated["sigma_map"] == "True"

    def __call__(self, noisy: np.ndarray, sigma: float | None) -> np.ndarray:
        """Restore (B, C, H, W) in [0, 1]; sigma in grey levels."""
        given = {"noisy": noisy}
        if self.takes_sigma:
            given["sigma"] = np.full(len(noisy), sigma, np.float32)
        return self.session.run(None, given)[0]


def restore(
    image: np.ndarray, model: Model, sigma: float | None, side: int | None, overlap: int
) -> np.ndarray:
    """Restore a photograph of any size.

    Args:
        image: (H, W, 1) or (H, W, 3) of 8-bit grey levels.
        model: a model of grey images restores the colours one by one, a model of colour images
            sees a grey one as three equal colours.
        sigma: strength of the noise in grey levels, for a model that takes it.
        side: most pixels of a tile along an axis; 0 for the whole image at once, None for
            `sensible_side`.
        overlap: pixels that tiles share where none is exact.

    Returns:
        As the image.

    Raises:
        ValueError: where model, image, sigma and tile do not fit together.
    """
    if model.takes_sigma and sigma is None:
        raise ValueError("this model is told the strength of the noise: give --sigma, as 25")
    if sigma is not None and not model.takes_sigma:
        raise ValueError("this model finds the strength of the noise itself: leave --sigma out")
    if model.channels not in (1, 3) or model.out_channels != model.channels:
        raise ValueError(f"this model takes {model.channels} channels, photographs have 1 or 3")
    x = image.astype(np.float32).transpose(2, 0, 1) / 255
    colours = len(x)
    x = x[:, None] if model.channels == 1 else np.repeat(x, 3 // colours, axis=0)[None]
    height, width = x.shape[2:]
    x = pad(x, model)
    if side is None:
        side = sensible_side(model)

    def net(tile: np.ndarray) -> np.ndarray:
        return np.concatenate([model(one[None], sigma) for one in tile])

    if side == 0 or max(x.shape[2:]) <= side:
        x = net(x)
    elif model.halo is None:
        x = blended(x, net, model, side, overlap)
    else:
        x = tiled(x, net, model, side)
    x = x[:, :, :height, :width]
    if model.channels == 1:  # the colours are a batch
        x = x.swapaxes(0, 1)
    x = x[0] if len(x[0]) == colours else x[0].mean(0, keepdims=True)
    return (x.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)


def pad(x: np.ndarray, model: Model) -> np.ndarray:
    """Extend as the model would: reflected to multiples of its unit, and to its smallest size."""
    for axis in (2, 3):
        length = x.shape[axis]
        min_size = max(length, model.smallest)
        place = np.arange(min_size + -min_size % model.size_multiple)
        x = x.take(np.maximum(length - 1 - abs(length - 1 - place), 0), axis)
    return x


def sensible_side(model: Model) -> int:
    """Choose 512 pixels a tile, or the least whose exact tiles take at most 16 times the work."""
    if model.halo is None:
        return 512
    alignment = math.lcm(model.alignment, model.size_multiple)
    around = 2 * (model.halo + alignment)
    return max(512, model.min_size, around + -(-around // (3 * alignment)) * alignment)


def tiled(x: np.ndarray, net: Net, model: Model, side: int) -> np.ndarray:
    """Restore padded images tile by tile: the very pixels that the whole gives.

    Raises:
        ValueError: where tiles are too small for it.
    """
    alignment = math.lcm(model.alignment, model.size_multiple)
    step = (side - 2 * (model.halo + alignment)) // alignment * alignment
    if step <= 0 or side < model.min_size:
        enough = max(model.min_size, 2 * model.halo + 4 * alignment)
        raise ValueError(
            f"tiles of {side} pixels leave nothing to keep: give --tile {enough} or more, or "
            "--tile 0 for the whole image"
        )

    def spans(length: int) -> list[tuple[int, int, int, int]]:
        found = []
        for first in range(0, length, step):
            end = min(first + step, length)
            high = min(length, -(-(end + model.halo) // model.size_multiple) * model.size_multiple)
            low = max(0, min(first - model.halo, high - model.min_size) // alignment * alignment)
            high = min(length, max(high, low + model.min_size))
            found.append((first, end, low, high))
        return found

    out = np.empty_like(x)
    for top, bottom, y, end_y in spans(x.shape[2]):
        for left, right, x_, end_x in spans(x.shape[3]):
            part = net(x[:, :, y:end_y, x_:end_x])
            part = part[:, :, top - y : bottom - y, left - x_ : right - x_]
            out[:, :, top:bottom, left:right] = part
    return out


def blended(x: np.ndarray, net: Net, model: Model, side: int, overlap: int) -> np.ndarray:
    """Restore padded images by tiles that fade into each other: near what the whole gives.

    Raises:
        ValueError: where the overlap leaves nothing of a tile.
    """
    alignment = math.lcm(model.alignment, model.size_multiple)
    side = max(side, model.smallest) // alignment * alignment
    step = (side - overlap) // alignment * alignment
    if step <= 0 or side - alignment < model.smallest:
        raise ValueError(
            f"--overlap {overlap} leaves nothing of tiles of {side} pixels: give a larger --tile"
        )

    def spans(length: int) -> list[tuple[int, int, np.ndarray]]:
        last = -(-max(0, length - side) // alignment) * alignment
        starts = [*range(0, last, step), last]
        found = []
        for start in starts:
            end = min(start + side, length)
            place = np.arange(start, end)
            weight = np.ones(end - start)
            if start:
                weight = np.minimum(weight, (place - start + 0.5) / overlap)
            if end < length:
                weight = np.minimum(weight, (end - place - 0.5) / overlap)
            found.append((start, end, np.sin(np.pi / 2 * weight.clip(0, 1)) ** 2))
        return found

    total, weights = np.zeros(x.shape), np.zeros(x.shape[2:])
    for top, bottom, down in spans(x.shape[2]):
        for left, right, along in spans(x.shape[3]):
            weight = down[:, None] * along
            part = net(x[:, :, top:bottom, left:right])
            total[:, :, top:bottom, left:right] += weight * part
            weights[top:bottom, left:right] += weight
    return total / weights


def main() -> None:
    """Restore one photograph; say in a line what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("noisy", type=Path, help="photograph, 8 bits a colour")
    parser.add_argument("clean", type=Path, help="where to write the restored one")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("model.onnx"))
    parser.add_argument("--sigma", type=float, help="of the noise in grey levels, if it is asked")
    parser.add_argument("--tile", type=int, help="pixels a side, chosen if left out; 0: the whole")
    parser.add_argument("--overlap", type=int, default=64, help="of tiles that cannot be exact")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing picture")
    options = parser.parse_args()
    try:
        convert(options)
    except (OSError, ValueError, ImportError, MemoryError) as error:
        sys.exit(f"error: {str(error) or type(error).__name__}".splitlines()[0])


def convert(options: argparse.Namespace) -> None:
    """Read, restore and write as the command line says; alpha, EXIF and ICC are kept."""
    from PIL import Image, ImageOps

    if (options.tile is not None and options.tile < 0) or options.overlap < 1:
        raise ValueError("--tile is 0 or more, --overlap 1 or more")
    if options.clean.exists() and not options.overwrite:
        raise ValueError(f"{options.clean}: exists: give --overwrite or another name")
    model = Model(options.model)
    try:
        with Image.open(options.noisy) as file:
            # pillow would read these as 8 bits and say nothing
            deep = any(";16" in str(tile[3]) for tile in file.tile)
            # those of a telephone's MPO are previews
            pages = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
            photo = ImageOps.exif_transpose(file)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{options.noisy}: {error}: give a smaller one") from error
    except Exception as error:
        raise ValueError(
            f"{options.noisy}: cannot be read ({reason(error)}): give a whole PNG, JPEG, WebP, "
            "BMP or TIFF"
        ) from error
    if deep:
        raise ValueError(f"{options.noisy}: has 16 bits a colour: convert it to 8")
    if pages > 1:
        raise ValueError(f"{options.noisy}: holds {pages} pictures: give each as a file of its own")
    if "transparency" in photo.info:
        photo = photo.convert("LA" if photo.mode == "L" else "RGBA")
    elif photo.mode in ("P", "1"):
        photo = photo.convert("RGB" if photo.mode == "P" else "L")
    if photo.mode not in ("L", "LA", "RGB", "RGBA"):
        raise ValueError(f"{options.noisy}: {photo.mode} is neither 8-bit grey nor RGB: convert it")
    kept = {key: photo.info[key] for key in ("exif", "icc_profile") if photo.info.get(key)}
    pixels = np.asarray(photo).reshape(photo.height, photo.width, -1)
    colours = 3 if photo.mode.startswith("RGB") else 1
    draft = options.clean.with_name(f".{options.clean.name}{options.clean.suffix}")

    def save(image: Image.Image) -> None:
        try:
            image.save(draft, quality=95, **kept)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"{options.clean}: cannot be written ({reason(error)}): choose a name that ends in "
                ".png, in a folder that may be written"
            ) from error

    save(photo.crop((0, 0, 1, 1)))  # what cannot be written fails before the work
    try:
        clean = restore(pixels[..., :colours], model, options.sigma, options.tile, options.overlap)
        clean = np.concatenate([clean, pixels[..., colours:]], axis=2)
        save(Image.fromarray(clean[..., 0] if clean.shape[2] == 1 else clean))
        draft.replace(options.clean)
    finally:
        draft.unlink(missing_ok=True)


def reason(error: Exception) -> str:
    """Say what is wrong with a file, without its path."""
    return getattr(error, "strerror", None) or str(error).split(" '")[0] or type(error).__name__


if __name__ == "__main__":
    main()
