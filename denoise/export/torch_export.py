"""Trace a net into a torch.export program that takes images of any number and size."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.export import ExportedProgram

from denoise.backbone.restormer import Restormer
from denoise.errors import first_line
from denoise.inference.tile_grid import TileConstraints
from denoise.inference.tiling import tile_constraints
from denoise.properties import MixerProperties

TRACED = 33  # height of the traced image in size multiples: larger than windows of the lowest level
TOLERANCE = 1e-4  # largest difference that a check allows, for images in [0, 1]

Run = Callable[..., Tensor]


class ExportError(ValueError):
    """A net that cannot be exported in some format."""


class ModelSpec(NamedTuple):
    """The inputs and the tiling of an exported program.

    Args:
        channels: of the noisy image.
        out_channels: of the restored image.
        sigma_map: whether it also takes sigma, (B,) in grey levels.
        tiling: constraints on the sizes of images and tiles.
    """

    channels: int
    out_channels: int
    sigma_map: bool
    tiling: TileConstraints

    def flat(self) -> dict[str, int | None]:
        """Return all entries by name, as the exported files hold them."""
        entries = self._asdict()
        return entries | entries.pop("tiling")._asdict()


@torch.no_grad()
def trace(net: Restormer, channels: int) -> ExportedProgram:
    """Trace a net for any number, height and width of images.

    Args:
        net: the backbone, in evaluation mode and float32.
        channels: of the noisy image.

    Raises:
        ExportError: where a layer states that it cannot be exported, or torch.export fails.
    """
    for name, module in net.named_modules():
        properties = getattr(module, "properties", None)
        if isinstance(properties, MixerProperties) and properties.export:
            raise ExportError(f"{name} ({type(module).__name__}): {properties.export}")
    size = TRACED * net.size_multiple
    # Odd, unequal, and two images: torch.export takes equal sizes for the same dimension.
    example = inputs(net, channels, (2, size + 3, size + 2 * net.size_multiple + 5))
    batch, free = torch.export.Dim("batch", min=1), torch.export.Dim.AUTO
    shapes = ({0: batch, 2: free, 3: free}, {0: batch})[: len(example)]
    try:
        with quiet():
            program = torch.export.export(
                net,
                example,
                dynamic_shapes=shapes,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except Exception as error:
        raise ExportError(f"torch.export fails: {first_line(error)}") from error
    traced_shape = _placeholder(program).meta["val"].shape
    fixed = [str(traced_shape[axis]) for axis in (0, 2, 3) if isinstance(traced_shape[axis], int)]
    if fixed:
        raise ExportError(f"torch.export fixes one size: {', '.join(fixed)}")
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def model_spec(net: Restormer, channels: int, out_channels: int, smallest: int) -> ModelSpec:
    """Return the spec of a net whose program takes images of `smallest` pixels or more."""
    return ModelSpec(channels, out_channels, bool(net.sigma_map), tile_constraints(net, smallest))


@torch.no_grad()
def smallest_size(program: ExportedProgram, net: Restormer, channels: int) -> int:
    """Find the smallest square image that a program takes, by bisection."""
    run = program.module()
    shape = _placeholder(program).meta["val"].shape[2:]
    ranges = [program.range_constraints[size.node.expr] for size in shape]
    low = max(1, *(int(r.lower) for r in ranges)) - 1
    high = TRACED * net.size_multiple

    def runs(size: int) -> bool:
        try:
            run(*inputs(net, channels, (1, size, size)))
        except Exception:
            return False
        return True

    if runs(low + 1):
        return low + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if runs(middle) else (middle, high)
    return high


@torch.no_grad()
def write_pt2(program: ExportedProgram, path: Path) -> Run:
    """Write a program for torch.export.load, and return the one loaded from the file."""
    with quiet():
        # Through memory: on a full disk torch's own writer ends the process.
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        path.write_bytes(buffer.getvalue())
        return torch.export.load(path).module()


@torch.no_grad()
def check(run: Run, net: Restormer, spec: ModelSpec) -> dict[str, float]:
    """Compare a program with the net at three odd sizes and one that needs no padding.

    Returns:
        Largest difference of each size, by its name "height x width".

    Raises:
        ExportError: where the program fails at a size.
        ValueError: where it differs by more than TOLERANCE.
    """
    tiling = spec.tiling
    a, step = tiling.smallest | 1, 2 * tiling.size_multiple
    even = -(-a // tiling.step) * tiling.step
    found = {}
    for size in ((1, a, a + step), (3, a + 2 * step, a + 6), (2, a + 3 * step + 4, 2 * a + 12),
                 (1, even, even + tiling.size_multiple)):  # fmt: skip
        example, name = inputs(net, spec.channels, size), f"{size[1]}x{size[2]}"
        try:
            restored = run(*example)
        except Exception as error:
            raise ExportError(f"the program fails at {name}: {first_line(error)}") from error
        found[name] = (restored - net(*example)).abs().max().item()
        if not found[name] <= TOLERANCE:
            raise ValueError(
                f"the program differs from the model by {found[name]:.1e} at {name}, more than "
                f"{TOLERANCE:g}: nothing is written"
            )
    return found


def inputs(net: Restormer, channels: int, size: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Return random images of (number, height, width), and their sigma where the net takes it."""
    number, height, width = size
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand(number, channels, height, width, generator=generator)
    sigma = 50 * torch.rand(number, generator=generator)
    return (noisy, sigma) if net.sigma_map else (noisy,)


def _placeholder(program: ExportedProgram) -> Any:
    name = program.graph_signature.user_inputs[0]
    return next(node for node in program.graph.nodes if node.name == name)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of the exporters about their own code."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
