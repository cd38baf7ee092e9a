"""How time and memory of every attention scale with the image."""

from collections.abc import Iterable, Mapping

from torch import nn

from denoise.benchmark.calls import DIM, Factory, image, inference
from denoise.benchmark.timing import Row, compare

SIDES = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)  # pixels
SCALING = f"inference of {DIM} channels, square images"


def scaling(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Time every mixer on larger and larger images, up to 4 GiB or 10 s.

    Args:
        make: builds the mixers.
        rounds: timings of each at each size.
    """
    return {SCALING: scale(make.mixers(), SIDES, rounds, seconds=10, mib=4096)}


def scale(
    mixers: Mapping[str, nn.Module], sides: Iterable[int], rounds: int, seconds: float, mib: float
) -> list[Row]:
    """Time an inference of each mixer on ever larger square images.

    Args:
        mixers: by name, of DIM channels.
        sides: of the images in pixels, ascending.
        rounds: timings of each.
        seconds: a mixer that took longer at one side is left out of the next.
        mib: likewise for its peak memory.
    """
    rows, left = [], dict(mixers)
    for side in sides:
        variants = {name: inference(mixer, image(side)) for name, mixer in left.items()}
        new = compare(variants, rounds=rounds, progress=f"{side} x {side}") if variants else []
        rows += [{"side": side, **row} for row in new]
        # The next side takes 4 times as much at least.
        over = {r["variant"] for r in new if r["ms"] > 250 * seconds or r["peak MiB"] > mib / 4}
        left = {name: mixer for name, mixer in left.items() if name not in over}
    return rows
