"""Restore a photograph with the model.onnx beside this file: python run.py noisy.png clean.png.

Needs numpy, onnxruntime and pillow, nothing else: pip install numpy onnxruntime pillow
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from denoise.inference.tile_grid import (
    Tile,
    TileConstraints,
    blend_weights,
    exact_tile_size,
    exact_tiles,
    overlapping_tiles,
    reflect_index,
)

TILE_SIZE = 512  # pixels a side, where exact tiles need no more


class Model:
    """A model.onnx and the constraints that its metadata state.

    Args:
        path: path of the file.

    Raises:
        ValueError: where it cannot be read, or its metadata are incomplete.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        if not path.is_file():
            raise ValueError(f"{path}: no such model: give one with --model")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if hasattr(os, "sched_getaffinity"):
            options.intra_op_num_threads = len(os.sched_getaffinity(0))
        known = onnxruntime.get_available_providers()
        wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in known]
        try:
            self.session = onnxruntime.InferenceSession(os.fspath(path), options, providers=wanted)
        except Exception as error:
            raise ValueError(f"{path}: is not a model: {str(error).splitlines()[0]}") from error
        stated = self.session.get_modelmeta().custom_metadata_map
        try:
            self.channels, self.out_channels, multiple, smallest, alignment, min_size = (
                int(stated[name])
                for name in ("channels", "out_channels", "size_multiple", "smallest", "alignment",
                             "min_size")
            )  # fmt: skip
            self.takes_sigma = stated["sigma_map"] == "True"
            halo = int(stated["halo"]) if "halo" in stated else None
        except KeyError as error:
            raise ValueError(f"{path}: does not state its {error}: export it again") from error
        except ValueError as error:
            raise ValueError(f"{path}: states no number ({error}): export it again") from error
        sizes = {"size_multiple": multiple, "smallest": smallest, "alignment": alignment,
                 "min_size": min_size}  # fmt: skip
        for name, value in {**sizes, "halo": 1 if halo is None else halo + 1}.items():
            if value < 1:
                raise ValueError(f"{path}: states {name}={stated[name]}: export it again")
        self.limits = TileConstraints(multiple, alignment, halo, min_size, smallest)

    def __call__(self, noisy: np.ndarray, sigma: float | None) -> np.ndarray:
        """Restore (B, C, H, W) in [0, 1]; sigma in grey levels."""
        inputs = {"noisy": noisy}
        if self.takes_sigma:
            inputs["sigma"] = np.full(len(noisy), sigma, np.float32)
        try:
            return self.session.run(None, inputs)[0]
        except Exception as error:
            raise ValueError(
                f"the model does not take what it states ({str(error).splitlines()[0]}): "
                "export it again"
            ) from error


def restore(
    image: np.ndarray, model: Model, sigma: float | None, tile_size: int | None, overlap: int
) -> np.ndarray:
    """Restore a photograph of any size.

    Args:
        image: (H, W, 1) or (H, W, 3) of 8-bit grey levels.
        model: one of grey images restores the colours one by one, one of colour images takes a grey
            one as three equal colours.
        sigma: strength of the noise in grey levels, for a model that takes it.
        tile_size: largest size of a tile in pixels; 0 for the whole image at once, None for
            `choose_tiles` to decide.
        overlap: pixels that tiles share where none is exact.

    Returns:
        The restored photograph, of the same shape.

    Raises:
        ValueError: where model, image, sigma and tile size do not fit together.
    """
    if model.takes_sigma and sigma is None:
        raise ValueError("this model takes the strength of the noise: give --sigma, as 25")
    if sigma is not None and not model.takes_sigma:
        raise ValueError("this model estimates the strength of the noise: leave --sigma out")
    if model.channels not in (1, 3) or model.out_channels != model.channels:
        raise ValueError(f"this model takes {model.channels} channels, photographs have 1 or 3")
    x = image.astype(np.float32).transpose(2, 0, 1) / 255
    colours = len(x)
    x = x[:, None] if model.channels == 1 else np.repeat(x, 3 // colours, axis=0)[None]
    tiles = choose_tiles(x.shape[2], x.shape[3], tile_size, overlap, model.limits)
    x = restore_tiles(x, model, sigma, tiles)
    if model.channels == 1:  # the colours are a batch
        x = x.swapaxes(0, 1)
    x = x[0] if len(x[0]) == colours else x[0].mean(0, keepdims=True)
    return (x.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)


def choose_tiles(
    height: int, width: int, tile_size: int | None, overlap: int, limits: TileConstraints
) -> list[Tile]:
    """Cut an image into exact tiles, or into overlapping ones where no tile is exact.

    Raises:
        ValueError: where tiles are too small.
    """
    if tile_size == 0:
        return [limits.whole(height, width)]
    if limits.halo is None:
        return overlapping_tiles(height, width, tile_size or TILE_SIZE, overlap, limits)
    enough = exact_tile_size(limits)
    tile_size = max(TILE_SIZE, enough) if tile_size is None else tile_size
    if tiles := exact_tiles(height, width, tile_size, limits):
        return tiles
    raise ValueError(
        f"tiles of {tile_size} px leave too little output: give --tile {enough} or more, or "
        "--tile 0 for the whole image"
    )


def restore_tiles(
    x: np.ndarray, model: Model, sigma: float | None, tiles: list[Tile]
) -> np.ndarray:
    """Restore images (B, C, H, W), one tile of one image at a time."""
    height, width = x.shape[2:]
    boxes = [tile.output for tile in tiles]
    rows = blend_weights(sorted({(box.top, box.bottom) for box in boxes}), height)
    columns = blend_weights(sorted({(box.left, box.right) for box in boxes}), width)
    out = np.zeros_like(x)
    for (top, bottom, left, right), (y, end_y, x_, end_x) in tiles:
        tile = x.take(reflect_index(y, end_y, height), 2).take(reflect_index(x_, end_x, width), 3)
        tile = np.concatenate([model(one[None], sigma) for one in tile])
        tile = tile[:, :, top - y : bottom - y, left - x_ : right - x_]
        weight = np.outer(rows[top, bottom], columns[left, right]).astype(x.dtype)
        out[:, :, top:bottom, left:right] += weight * tile
    return out


def main() -> None:
    """Restore one photograph; report an error in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("noisy", type=Path, help="photograph, 8 bits a colour")
    parser.add_argument("clean", type=Path, help="where to write the restored one")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("model.onnx"))
    parser.add_argument(
        "--sigma", type=float, help="of the noise in grey levels, where the model takes it"
    )
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
            # pillow reads these as 8 bits without a warning
            is_16bit = any(";16" in str(tile[3]) for tile in file.tile)
            # further ones of an MPO are previews
            pages = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
            photo = ImageOps.exif_transpose(file)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{options.noisy}: {error}: give a smaller one") from error
    except Exception as error:
        raise ValueError(
            f"{options.noisy}: cannot be read ({reason(error)}): give a whole PNG, JPEG, WebP, "
            "BMP or TIFF"
        ) from error
    if is_16bit:
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
    """Return what is wrong with a file, without its path."""
    return getattr(error, "strerror", None) or str(error).split(" '")[0] or type(error).__name__


if __name__ == "__main__":
    main()
