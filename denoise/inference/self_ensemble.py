"""Self-ensemble: the mean over the eight flips and rotations of an image."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from torch import Tensor, nn

from denoise.inference.tile_grid import Box, Tile, TileConstraints, exact_input
from denoise.inference.tiling import Net, Read, TileResult, image_size, restore_tile


class Dihedral(NamedTuple):
    """One of the eight symmetries of a square: a transposition, then reversed rows and columns."""

    transpose: bool
    rows: bool
    columns: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Transform (..., H, W)."""
        return (x.mT if self.transpose else x).flip([d for d in (-2, -1) if self[d]])

    def back(self, x: Tensor) -> Tensor:
        """Transform (..., H, W) back."""
        x = x.flip([d for d in (-2, -1) if self[d]])
        return x.mT if self.transpose else x

    def box(self, box: Box, size: tuple[int, int]) -> Box:
        """Return where a rectangle of an image of (height, width) lies in the transformed one."""
        spans = box[:2], box[2:]
        if self.transpose:
            spans, size = spans[::-1], size[::-1]
        moved = [
            (n - b, n - a) if reverse else (a, b)
            for (a, b), n, reverse in zip(spans, size, self[1:], strict=True)
        ]
        return Box(*moved[0], *moved[1])

    def box_back(self, box: Box, size: tuple[int, int]) -> Box:
        """Return where a rectangle of the transformed image lies in that of (height, width)."""
        size = size[::-1] if self.transpose else size
        unflipped = Dihedral(False, *self[1:]).box(box, size)
        return Box(*unflipped[2:], *unflipped[:2]) if self.transpose else unflipped


DIHEDRALS = [Dihedral(*choice) for choice in product((False, True), repeat=3)]


class SelfEnsemble(nn.Module):
    """Mean of a net over the eight flips and rotations (Lim et al. 2017, arXiv 1707.02921).

    One at a time, so that memory is the net's own and one image more.

    Args:
        net: maps (B, C, H, W) and sigma to the restored image.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Restore (B, C, H, W)."""
        total = self.net(noisy, sigma)
        for dihedral in DIHEDRALS[1:]:
            total = total + dihedral.back(self.net(dihedral(noisy), sigma))
        return total / len(DIHEDRALS)


def restore_ensembled(
    net: Net,
    image: Tensor | Read,
    sigma: Tensor | None,
    tiles: Sequence[Tile],
    limits: TileConstraints,
) -> Iterator[TileResult]:
    """Compute the result of `SelfEnsemble(net)` on the whole image exactly, tile by tile.

    A transformed tile has the windows of the transformed image only if it is aligned in that image:
    each output is computed from eight inputs of its own.

    Args:
        net: maps (B, C, H, W) and sigma to the restored image.
        image: see `restore_tiled`.
        sigma: see `restore_tiled`.
        tiles: of `exact_tiles` with `mirrored`; only their outputs are used.
        limits: of the net.

    Returns:
        Results of tiles as of `restore_tiled`.
    """
    size = image_size(tiles)

    def transformed(dihedral: Dihedral) -> Read:
        def read(*box: int) -> Tensor:
            top, bottom, left, right = dihedral.box_back(Box(*box), size)
            if callable(image):
                return dihedral(image(top, bottom, left, right))
            return dihedral(image[..., top:bottom, left:right])

        return read

    def restore(dihedral: Dihedral, output: Box) -> Tensor:
        height, width = size[::-1] if dihedral.transpose else size
        output = dihedral.box(output, size)
        rows = exact_input(output.top, output.bottom, height, limits)
        columns = exact_input(output.left, output.right, width, limits)
        tile = Tile(output, Box(*rows, *columns))
        restored = restore_tile(net, transformed(dihedral), sigma, (height, width), tile)
        return dihedral.back(restored)

    for tile in tiles:
        total = restore(DIHEDRALS[0], tile.output)
        for dihedral in DIHEDRALS[1:]:
            total += restore(dihedral, tile.output)
        yield tile.output.top, tile.output.left, total / len(DIHEDRALS)
