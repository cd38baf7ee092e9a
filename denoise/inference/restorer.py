"""Restore the pixels of a photograph of any size and depth within a given amount of memory."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from denoise.image_io.value_range import Bounds, bounds_of, from_fraction, to_fraction
from denoise.inference.channels import to_image_channels, to_model_channels
from denoise.inference.memory import PeakMemory, choose_tile_size, fit_peak_memory
from denoise.inference.self_ensemble import SelfEnsemble, restore_ensembled
from denoise.inference.tile_grid import Tile, exact_tile_size, overlapping_tiles
from denoise.inference.tiling import (
    Read,
    TileResult,
    exact_tiles_of,
    measure_overlap,
    restore_tiled,
    seam_energy,
    tile_constraints,
)
from denoise.noise.estimation import model_sigma
from denoise.option_checks import check_choice

RSS_FACTOR = 1.5  # resident memory over that of tensors: freed memory is fragmented


@dataclass
class Report:
    """How an image was restored.

    Args:
        method: whole, exact tiles or blended tiles.
        pixels: of the image.
        tiles: number of them.
        tile_size: largest height or width of a tile in pixels.
        overlap: pixels that blended tiles share.
        deviation: largest difference of two blended tiles where they overlap, in grey levels.
        seam: energy of steps across the borders of tiles, over that beside them.
        seconds: taken.
        warnings: for the user, a sentence each.
    """

    method: str
    pixels: int
    tiles: int
    tile_size: int
    overlap: int
    deviation: float
    seam: float
    seconds: float
    warnings: list[str]


def format_report(report: Report) -> str:
    """Return a line on how an image was restored, without the warnings."""
    line = f"{report.pixels / 1e6:.2f} Mpx in {report.seconds:.1f} s, {report.method}"
    if report.tiles > 1:
        line += f": {report.tiles} of {report.tile_size} px, seam {report.seam:.3f} (1 is none)"
    if report.overlap:
        line += f", overlap {report.overlap} px, they differ by {report.deviation:.2f} grey levels"
    return line


class Restorer:
    """Apply a net to pixels: at once where memory allows, else by tiles, exact if possible.

    Args:
        net: maps noisy (B, C, H, W) in [0, 1] and sigma (B,) to restored; a backbone of this
            package states its tile constraints.
        channels: of the net.
        memory: bytes for the pixels and the activations of the net.
        tiles: auto, exact (refuse any others) or blended.
        ensemble: whether to average over the 8 flips and rotations.
        strength: share of the result; the rest is the noisy image.
        autocast: whether the net runs in bfloat16.
    """

    def __init__(
        self,
        net: nn.Module,
        channels: int,
        *,
        memory: int,
        tiles: Literal["auto", "exact", "blended"] = "auto",
        ensemble: bool = False,
        strength: float = 1.0,
        autocast: bool = False,
    ) -> None:
        check_choice(("auto", "exact", "blended"), tiles=tiles)
        if not 0 <= strength <= 1:
            raise ValueError(f"strength={strength}, but it lies between 0 and 1")
        self.net, self.channels, self.memory = net, channels, memory
        self.tiles, self.ensemble, self.strength = tiles, ensemble, strength
        self.autocast = autocast
        self.device = next(net.parameters(), torch.empty(0)).device
        self.limits = tile_constraints(net)
        self._peak: PeakMemory | None = None

    def __call__(
        self,
        pixels: np.ndarray,
        sigma: float | Tensor | None,
        advance: Callable[[int], Any] = int,
        bounds: Bounds | None = None,
    ) -> tuple[np.ndarray, Report]:
        """Restore one image.

        Args:
            pixels: (H, W, C) of uint8, uint16 or float32.
            sigma: in grey levels, for nets that take it; or as `model_sigma` returns it, (1, ...).
            advance: called with the number of pixels of every tile that is done.
            bounds: the values that are 0 and 1 to the net; None: those of the type.

        Returns:
            Restored pixels of the same shape and type, and how it went.

        Raises:
            ValueError: where memory does not suffice, sigma is not a strength of noise, or exact
                tiles are asked for and impossible.
        """
        started = time.perf_counter()
        H, W, C = pixels.shape
        warnings = []
        bounds = bounds or bounds_of(pixels, "auto")
        if self.channels != C:
            names = {1: "grey", 3: "RGB"}
            image, net = (names.get(n, f"{n}-channel") for n in (C, self.channels))
            warnings.append(f"a {image} image through a net for {net} ones")
        level = None
        if sigma is not None:
            known = model_sigma(torch.empty(1), sigma) if not isinstance(sigma, Tensor) else sigma
            level = known.to(self.device).float().repeat_interleave(self._batch(C), 0)
        read = partial(self._read, pixels, bounds)
        tiles, tile_size, overlap, deviation = self._tile(pixels, read, level, warnings)
        method = "whole" if len(tiles) == 1 else "blended tiles" if overlap else "exact tiles"
        out = np.empty_like(pixels)
        for top, left, tile_result in self._results(method, tiles, read, level, (H, W)):
            h, w = tile_result.shape[-2:]
            self._store(tile_result, pixels, bounds, out, np.s_[top : top + h, left : left + w])
            advance(h * w)
        view = torch.from_numpy(out[..., :1]).permute(2, 0, 1)[None]
        seam = seam_energy(view, tiles) if len(tiles) > 1 else 1.0
        return out, Report(
            method, H * W, len(tiles), tile_size, overlap, deviation, seam,
            time.perf_counter() - started, warnings,
        )  # fmt: skip

    def _batch(self, channels: int) -> int:
        """Return the batch size for an image: a grey net takes its colours one by one."""
        return channels if self.channels < channels else 1

    def _read(
        self, pixels: np.ndarray, bounds: Bounds, top: int, bottom: int, left: int, right: int
    ) -> Tensor:
        """Return a rectangle as input of the net: (B, channels, h, w) in [0, 1]."""
        region = torch.from_numpy(to_fraction(pixels[top:bottom, left:right], bounds)).to(
            self.device
        )
        return to_model_channels(region.permute(2, 0, 1)[None], self.channels)

    def _results(
        self,
        method: str,
        tiles: list[Tile],
        read: Read,
        sigma: Tensor | None,
        size: tuple[int, int],
    ) -> Iterable[TileResult]:
        """Run the net, or the ensemble of it, on all tiles."""
        run = SelfEnsemble(self._run) if self.ensemble else self._run
        if method == "whole":  # the ensemble transforms the image before it is padded
            return [(0, 0, run(read(0, size[0], 0, size[1]), sigma))]
        if self.ensemble and method == "exact tiles":
            return restore_ensembled(self._run, read, sigma, tiles, self.limits)
        return restore_tiled(run, read, sigma, tiles)

    def _store(
        self,
        tile_result: Tensor,
        pixels: np.ndarray,
        bounds: Bounds,
        out: np.ndarray,
        region: tuple[slice, ...],
    ) -> None:
        """Write (B, channels, h, w) to its region of the restored pixels."""
        image = to_image_channels(tile_result, pixels.shape[2])[0]
        restored = image.float().permute(1, 2, 0).cpu().numpy()
        if self.strength < 1:
            noisy = to_fraction(pixels[region], bounds)
            restored = noisy + self.strength * (restored - noisy)
        out[region] = from_fraction(restored, bounds, pixels.dtype)

    def _run(self, noisy: Tensor, sigma: Tensor | None) -> Tensor:
        with (
            torch.inference_mode(),
            torch.autocast(noisy.device.type, torch.bfloat16, enabled=self.autocast),
        ):
            return self.net(noisy, sigma).float()

    def _tile(
        self, pixels: np.ndarray, read: Read, sigma: Tensor | None, warnings: list[str]
    ) -> tuple[list[Tile], int, int, float]:
        """Choose the tiles: (tiles, tile size, overlap, deviation)."""
        H, W, C = pixels.shape
        images = self._batch(C)
        pixel_bytes = 2 * pixels.nbytes
        left = int((self.memory - pixel_bytes) / RSS_FACTOR) // images
        if left <= 0:
            raise ValueError(
                f"of the memory {self.memory / 2**20:.0f} MiB are left, and the pixels alone take "
                f"{pixel_bytes / 2**20:.0f}: give more"
            )
        multiple = self.limits.size_multiple
        if self._peak is None:
            self._peak = fit_peak_memory(
                self._run, self.channels, left, size_multiple=multiple, device=self.device
            )
        tile_size = choose_tile_size(self._peak, H, W, left, size_multiple=multiple)
        fits = tile_size >= max(H, W)
        if fits or self.tiles != "blended":
            try:
                mirrored = self.ensemble and not fits
                tiles = exact_tiles_of(self.net, H, W, tile_size, mirrored=mirrored)
                return tiles, tile_size, 0, 0.0
            except ValueError as error:
                if self.tiles == "exact":
                    raise
                warnings.append(f"not exact: {error}")
            if self.limits.halo is not None:
                exact = exact_tile_size(self.limits)
                more = (self._peak(exact, exact) - left) * images * RSS_FACTOR / 2**20
                warnings.append(f"{more:.0f} MiB more would make it exact")
        overlap, deviation = measure_overlap(self._run, read, sigma, (H, W), tile_size, self.limits)
        tiles = overlapping_tiles(H, W, tile_size, overlap, self.limits)
        return tiles, tile_size, overlap, deviation


class TensorRestorer:
    """A net as it is applied to one image within the memory of a restorer; logs its warnings."""

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer
        self.sigma_map = getattr(restorer.net, "sigma_map", False)

    def __call__(self, noisy: Tensor, sigma: Tensor | None) -> Tensor:
        """Restore (1, C, H, W) in [0, 1] of a noise level as `model_sigma` returns it.

        Raises:
            ValueError: as `Restorer.__call__`.
        """
        pixels = np.ascontiguousarray(noisy[0].permute(1, 2, 0).float().cpu().numpy())
        restored, report = self.restorer(pixels, sigma)
        for warning in report.warnings:
            logging.getLogger("denoise").warning("%s", warning)
        return torch.from_numpy(restored).permute(2, 0, 1)[None].to(noisy)
