"""Self-ensemble: the mean over the eight flips and rotations of an image."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from torch import Tensor, nn

from denoise.inference.tile_grid import Axis, Box, Tile
from denoise.inference.tiling import Net, Piece, Read, restore_tile
from denoise.receptive_field import ReceptiveField


class Turn(NamedTuple):
    """One of the eight: rows and columns are swapped, then their order is reversed."""

    swap: bool
    rows: bool
    columns: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Turn (..., H, W)."""
        return (x.mT if self.swap else x).flip([d for d in (-2, -1) if self[d]])

    def back(self, x: Tensor) -> Tensor:
        """Undo the turn."""
        x = x.flip([d for d in (-2, -1) if self[d]])
        return x.mT if self.swap else x

    def box(self, box: Box, size: tuple[int, int]) -> Box:
        """Where a rectangle of an image of (height, width) lies once that is turned."""
        spans = box[:2], box[2:]
        if self.swap:
            spans, size = spans[::-1], size[::-1]
        turned = [
            (n - b, n - a) if reverse else (a, b)
            for (a, b), n, reverse in zip(spans, size, self[1:], strict=True)
        ]
        return Box(*turned[0], *turned[1])

    def box_back(self, box: Box, size: tuple[int, int]) -> Box:
        """Where a rectangle of the turned image lies in the one of (height, width)."""
        size = size[::-1] if self.swap else size
        unflipped = Turn(False, *self[1:]).box(box, size)
        return Box(*unflipped[2:], *unflipped[:2]) if self.swap else unflipped


TURNS = [Turn(*turn) for turn in product((False, True), repeat=3)]


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
        for turn in TURNS[1:]:
            total = total + turn.back(self.net(turn(noisy), sigma))
        return total / len(TURNS)


def restore_ensembled(
    net: Net,
    image: Tensor | Read,
    sigma: Tensor | None,
    tiles: Sequence[Tile],
    receptive_field: ReceptiveField,
    size_multiple: int,
) -> Iterator[Piece]:
    """Restore tile by tile what `SelfEnsemble(net)` gives on the whole image, exactly.

    Windows of a turned tile are those of the turned image only where the tile is cut from that:
    each output is computed from eight inputs of its own, each aligned in the image as turned.

    Args:
        net: maps (B, C, H, W) and sigma to the restored image.
        image: see `restore_tiled`.
        sigma: see `restore_tiled`.
        tiles: of `plan` with `mirrored`; their outputs alone are used.
        receptive_field: the net's.
        size_multiple: the net pads images to multiples of it.

    Returns:
        Pieces as `restore_tiled` gives them.
    """
    size = max(tile.output.bottom for tile in tiles), max(tile.output.right for tile in tiles)

    def turned(turn: Turn) -> Read:
        def read(*box: int) -> Tensor:
            top, bottom, left, right = turn.box_back(Box(*box), size)
            if callable(image):
                return turn(image(top, bottom, left, right))
            return turn(image[..., top:bottom, left:right])

        return read

    def restore(turn: Turn, output: Box) -> Tensor:
        height, width = size[::-1] if turn.swap else size
        output = turn.box(output, size)
        rows = Axis(height, receptive_field, size_multiple).span(*output[:2])
        columns = Axis(width, receptive_field, size_multiple).span(*output[2:])
        tile = Tile(output, Box(*rows, *columns))
        return turn.back(restore_tile(net, turned(turn), sigma, (height, width), tile))

    for tile in tiles:
        total = restore(TURNS[0], tile.output)
        for turn in TURNS[1:]:
            total += restore(turn, tile.output)
        yield tile.output.top, tile.output.left, total / len(TURNS)
