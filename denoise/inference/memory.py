"""Measure the memory of an inference, and choose tiles that fit a given amount."""

import json
import math
import os
import re
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from denoise.inference.tiling import Net

UNITS = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
PROBES = (8, 256)  # height of the smallest and largest square tile that is measured, in pixels
STATUS = Path("/proc/self/status")
ASSUMED_RSS = 2**29  # where the platform does not report it: about what torch and kernels take


def parse_memory(text: Any) -> int:
    """Return the bytes of a size such as 2GiB or 500 MB.

    Raises:
        ValueError: where the text is not a number and a unit.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", str(text))
    units = {unit.lower(): size for unit, size in UNITS.items()}
    if not found or found[2].lower() not in units:
        raise ValueError(
            f"{text!r} is not a size such as 2GiB: write a number and {', '.join(UNITS)}"
        )
    return int(float(found[1]) * units[found[2].lower()])


def format_memory(size: int) -> str:
    """Return bytes in the largest unit in which they are a whole number."""
    unit = max((unit for unit in UNITS if size % UNITS[unit] == 0), key=UNITS.__getitem__)
    return f"{size // UNITS[unit]}{unit}"


def peak_rss() -> int:
    """Return the peak resident bytes of this process, assumed on Windows."""
    # On Linux ru_maxrss is also that of the process that started this one.
    if STATUS.is_file() and (found := re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:
        return ASSUMED_RSS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_budget(memory: int, net: nn.Module, channels: int) -> int:
    """Return how many of the bytes that the process may hold are left for images.

    Raises:
        ValueError: where the process holds that much already.
    """
    # The first run of a net and of the profiler loads up to 200 MiB of code.
    multiple = getattr(net, "size_multiple", 1)
    device = next(net.parameters(), torch.empty(0)).device
    fit_peak_memory(net, channels, 0, size_multiple=multiple, device=device)
    held = peak_rss()
    if memory <= held:
        raise ValueError(
            f"memory={format_memory(memory)}, but the program alone takes "
            f"{held / 2**20:.0f} MiB: give more, as memory={held // 2**30 + 2}GiB"
        )
    return memory - held


def peak_of(function: Callable[[], Any], device: torch.device | str = "cpu") -> int:
    """Run a function and return the peak bytes of tensors beyond those held before.

    Args:
        function: called without arguments; its result is dropped.
        device: device of the memory; on a CPU torch's allocations are counted by its profiler.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it reports a missing GPU, each time
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory(prefix="denoise-") as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_bytes())["traceEvents"]
    held, peak = 0, 0
    for event in sorted((e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        peak = max(peak, held)
    return peak


class PeakMemory(NamedTuple):
    """Peak bytes of a net without its weights: a line over the pixels of its input."""

    fixed: float
    per_pixel: float

    def __call__(self, height: int, width: int) -> int:
        """Return the bytes for one image."""
        return math.ceil(self.fixed + self.per_pixel * height * width)


def fit_peak_memory(
    net: nn.Module | Net,
    channels: int,
    limit: int,
    *,
    size_multiple: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> PeakMemory:
    """Measure square tiles of doubling size, and fit a line through the largest two.

    The line lies above the smaller ones. Memory of kernels beside tensors is not measured.

    Args:
        net: maps (1, C, H, W) and sigma (1,) to the restored image.
        channels: of the image.
        limit: bytes that no tile but the first may take.
        size_multiple: the net pads images to multiples of it.
        device: of the net.
        dtype: of the image.
    """

    def run(size: int) -> None:
        noisy = torch.zeros(1, channels, size, size, device=device, dtype=dtype)
        net(noisy, torch.zeros(1, device=device))

    smallest, largest = PROBES
    size = -(-smallest // size_multiple) * size_multiple
    points: list[tuple[int, int]] = []
    with torch.inference_mode():
        run(size)  # kernels and constants are made once
        while not points or (size <= largest and 4 * points[-1][1] <= limit):
            points.append((size * size, peak_of(partial(run, size), device)))
            size *= 2
    (x1, y1), (x2, y2) = [(0, 0), *points][-2:]
    per_pixel = max(0.0, (y2 - y1) / (x2 - x1))
    return PeakMemory(max(y - per_pixel * x for x, y in points), per_pixel)


def choose_tile_size(
    peak: PeakMemory, height: int, width: int, memory: int, *, size_multiple: int
) -> int:
    """Choose the largest tiles that memory allows; the whole image where it fits.

    Args:
        peak: of the net.
        height: of the image in pixels.
        width: of the image in pixels.
        memory: in bytes, for all but the weights.
        size_multiple: the tile size is a multiple of it.

    Returns:
        Size in pixels; that of a square that holds the image where it fits as a whole.

    Raises:
        ValueError: where not even the smallest tile fits.
    """
    lengths = [-(-length // size_multiple) * size_multiple for length in (height, width)]

    def taken(steps: int) -> int:
        tile_height, tile_width = (min(length, steps * size_multiple) for length in lengths)
        return peak(tile_height, tile_width)

    steps = bisect_right(range(1, max(lengths) // size_multiple + 1), memory, key=taken)
    if not steps:
        raise ValueError(
            f"memory={memory} bytes hold no tile of {size_multiple} px, "
            f"which takes {taken(1)}: give more"
        )
    return steps * size_multiple
