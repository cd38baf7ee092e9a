"""Restore the pixels of a photograph of any size and depth within a given amount of memory."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from denoise.inference.channels import to_image_channels, to_model_channels
from denoise.inference.memory import choose_tile, peak_bytes
from denoise.inference.self_ensemble import SelfEnsemble, restore_ensembled
from denoise.inference.tile_grid import Tile, exact_side, plan_blended, plan_for
from denoise.inference.tiling import measure_overlap, restore_tiled, seam_energy
from denoise.option_checks import check_choice

RESERVE = 1.5  # resident memory over that of the tensors: a process keeps holes of what was freed
WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}


@dataclass
class Report:
    """How an image was restored.

    Args:
        how: whole, exact tiles or blended tiles.
        tiles: number of them.
        side: most pixels of a tile along an axis.
        overlap: pixels that blended tiles share.
        deviation: largest difference of two blended tiles where they overlap, in grey levels.
        seam: energy of steps across the borders of tiles, over that beside them.
        seconds: taken.
        notes: for the user, a sentence each.
    """

    how: str
    tiles: int
    side: int
    overlap: int
    deviation: float
    seam: float
    seconds: float
    notes: list[str]


class Restorer:
    """Applies a net to pixels: whole where memory allows, else by tiles, exact ones if possible.

    Args:
        net: maps noisy (B, C, H, W) in [0, 1] and sigma (B,) to restored; a backbone of ours tells
            by itself how to be tiled.
        channels: of the net, 1 or 3.
        memory: in bytes, for pixels and all that the net computes.
        tiles: auto, exact (refuse what cannot be) or blended.
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
        self.size_multiple = getattr(net, "size_multiple", 1)
        self.receptive_field = getattr(net, "receptive_field", None)

    def __call__(
        self, pixels: np.ndarray, sigma: float | None, advance: Callable[[int], Any] = int
    ) -> tuple[np.ndarray, Report]:
        """Restore one image.

        Args:
            pixels: (H, W, C), C 1 or 3, of uint8, uint16 or float32 in [0, 1].
            sigma: in grey levels, for nets that ask for it.
            advance: told the number of pixels of every piece that is done.

        Returns:
            Restored pixels of the same shape and type, and how it went.

        Raises:
            ValueError: where memory does not suffice, sigma is no strength of noise, or exact tiles
                are asked for and impossible.
        """
        started = time.perf_counter()
        H, W, C = pixels.shape
        device = next(self.net.parameters(), torch.empty(0)).device
        notes = []
        if self.channels != C:
            kinds = {1: "grey", 3: "RGB"}
            notes.append(f"a {kinds[C]} image through a net for {kinds[self.channels]} ones")
        white = WHITE[pixels.dtype]
        apart = self.channels < C  # each colour by itself

        def read(top: int, bottom: int, left: int, right: int) -> Tensor:
            part = np.array(pixels[top:bottom, left:right])
            part = torch.from_numpy(part).to(device).float().div(white).permute(2, 0, 1)
            return to_model_channels(part[None], self.channels)

        if sigma is not None and not (isinstance(sigma, int | float) and 0 <= sigma < math.inf):
            raise ValueError(f"sigma={sigma} is no strength of noise: give a number from 0")
        tiles, side, overlap, deviation = self._cut(H, W, C, pixels.nbytes, read, sigma, notes)
        how = "whole" if len(tiles) == 1 else "blended tiles" if overlap else "exact tiles"
        level = None if sigma is None else torch.full((C if apart else 1,), sigma, device=device)
        run = SelfEnsemble(self._run) if self.ensemble else self._run
        if how == "whole":  # not padded before it is turned
            pieces = [(0, 0, run(read(0, H, 0, W), level))]
        elif self.ensemble and how == "exact tiles":
            pieces = restore_ensembled(
                self._run, read, level, tiles, self.receptive_field, self.size_multiple
            )
        else:
            pieces = restore_tiled(run, read, level, tiles)
        out = np.empty_like(pixels)
        for top, left, piece in pieces:
            h, w = piece.shape[-2:]
            place = np.s_[top : top + h, left : left + w]
            piece = to_image_channels(piece, C)[0]
            restored = piece.float().permute(1, 2, 0).cpu().numpy()
            if self.strength < 1:
                noisy = pixels[place].astype(np.float32) / white
                restored = noisy + self.strength * (restored - noisy)
            if white > 1:
                restored = (restored.clip(0, 1) * white).round()
            out[place] = restored
            advance(h * w)
        view = torch.from_numpy(out[..., :1]).permute(2, 0, 1)[None]
        seam = seam_energy(view, tiles) if len(tiles) > 1 else 1.0
        seconds = time.perf_counter() - started
        return out, Report(how, len(tiles), side, overlap, deviation, seam, seconds, notes)

    def _run(self, noisy: Tensor, sigma: Tensor | None) -> Tensor:
        with (
            torch.inference_mode(),
            torch.autocast(noisy.device.type, torch.bfloat16, enabled=self.autocast),
        ):
            return self.net(noisy, sigma).float()

    def _cut(
        self,
        H: int,
        W: int,
        C: int,
        held: int,
        read: Any,
        sigma: float | None,
        notes: list[str],
    ) -> tuple[list[Tile], int, int, float]:
        """Choose the tiles: (tiles, side, overlap, deviation)."""
        images = C if self.channels < C else 1
        left = int((self.memory - 2 * held) / RESERVE) // images
        if left <= 0:
            raise ValueError(
                f"of the memory {self.memory / 2**20:.0f} MiB are left, and the pixels alone take "
                f"{2 * held / 2**20:.0f}: give more"
            )
        side = choose_tile(self.net, self.channels, H, W, left, size_multiple=self.size_multiple)
        if side >= max(H, W) or self.tiles != "blended":
            try:
                mirrored = self.ensemble and side < max(H, W)
                return plan_for(self.net, H, W, side, mirrored=mirrored), side, 0, 0.0
            except ValueError as error:
                if self.tiles == "exact":
                    raise
                notes.append(f"not exact: {error}")
            if self.receptive_field is not None:
                enough = peak_bytes(
                    self.net,
                    self.channels,
                    *2 * [exact_side(self.receptive_field, self.size_multiple)],
                )
                more = (enough - left) * images * RESERVE / 2**20
                notes.append(f"{more:.0f} MiB more would make it exact")
        level = None if sigma is None else torch.full((images,), sigma)
        alignment = getattr(self.net, "alignment", 1)
        overlap, deviation = measure_overlap(
            self._run, read, level, (H, W), side, self.size_multiple, alignment
        )
        return (
            plan_blended(H, W, side, overlap, self.size_multiple, alignment),
            side,
            overlap,
            deviation,
        )
