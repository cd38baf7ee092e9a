"""How much memory an inference takes, told without running it, and tiles chosen by it."""

import math
import os
import re
import resource
import sys
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._prims_common import suggest_memory_format
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

UNITS = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


def parse_memory(text: Any) -> int:
    """Read a size of memory such as 2GiB or 500 MB, in bytes.

    Raises:
        ValueError: where it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", str(text))
    units = {size_multiple.lower(): size for size_multiple, size in UNITS.items()}
    if not found or found[2].lower() not in units:
        raise ValueError(f"{text!r} is no size of memory: write a number and {', '.join(UNITS)}")
    return int(float(found[1]) * units[found[2].lower()])


def resident() -> int:
    """Give the most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def left_of(memory: int, net: nn.Module, channels: int) -> int:
    """Give how many of the bytes that a process may take are left for images.

    Raises:
        ValueError: where it holds that much already.
    """
    # The first run of a net, and of the count, load code that stays: up to 200 MiB.
    side = getattr(net, "size_multiple", 8)
    noisy = torch.zeros(
        1, channels, side, side, device=next(net.parameters(), torch.empty(0)).device
    )
    with torch.inference_mode():
        net(noisy, torch.ones(1, device=noisy.device))
    peak_bytes(net, channels, side, side)
    if (left := memory - resident()) <= 0:
        raise ValueError(
            f"memory={memory / 2**20:.0f}MiB, but the program alone takes "
            f"{resident() / 2**20:.0f} MiB: give more, as memory=2GiB"
        )
    return left


def peak_bytes(
    net: nn.Module, channels: int, height: int, width: int, dtype: torch.dtype | None = None
) -> int:
    """Tell the most memory that tensors take while a net restores an image, its weights aside.

    The net runs on tensors without content, which takes a second or so. What
    kernels take beside their outputs is not seen: on a CPU that is next to nothing in float32 and
    up to half of all in float64, whose convolutions copy.

    Args:
        net: maps (1, C, H, W) and sigma (1,) to the restored image.
        channels: of the image.
        height: of the image in pixels.
        width: of the image in pixels.
        dtype: that the net and the image are converted to; the net's own where missing.
    """
    weights = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    first = next(net.parameters(), torch.empty(0))
    dtype = dtype or first.dtype
    weights = {
        name: torch.empty_like(w, device="meta", dtype=dtype if w.is_floating_point() else w.dtype)
        for name, w in weights.items()
    }
    noisy = torch.empty(1, channels, height, width, dtype=dtype, device="meta")
    sigma = torch.empty(1, device="meta")
    with torch.no_grad(), _AsOnDevice(first.device), _Live(weights.values()) as live:
        live.add(noisy)
        torch.func.functional_call(net, weights, (noisy, sigma))
    return live.peak


class _AsOnDevice(TorchFunctionMode):
    """Mends what tensors without content do otherwise than those of the real device.

    There attention stores no logits where a kernel spares them, and convolutions keep channels
    last, for which they copy an input that is not.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run a function, or make what it would."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and self._fuses(*args, **kwargs):
            query, _, value = args[:3]
            sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
            return query.new_empty(*sums.shape, value.shape[-1])
        if func is not F.conv2d:
            return func(*args, **kwargs)
        last = torch.channels_last in map(suggest_memory_format, args[:2])
        layout = torch.channels_last if last else torch.contiguous_format
        x = args[0].contiguous(memory_format=layout)
        shape = func(x, *args[1:], **kwargs).shape
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)

    def _fuses(self, *args: Any, **kwargs: Any) -> bool:
        def stand_in(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            row = torch.empty(x.shape[-1], 2, dtype=x.dtype, device=self.device)
            row = row[:, 0].contiguous() if x.stride(-1) == 1 else row[:, 0]
            return row.expand(x.shape if x.dim() != 3 else (1, *x.shape))

        args = tuple(map(stand_in, args))
        kwargs = {name: stand_in(value) for name, value in kwargs.items()}
        return torch._fused_sdp_choice(*args, **kwargs) != 0


class _Live(TorchDispatchMode):
    """The sum of the storages that operations made and that are still held, and its peak."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.bytes, self.peak = 0, 0
        # Views of weights are no memory of their own.
        self.refs = {id(s): weakref.ref(s) for s in (w.untyped_storage() for w in known)}

    def add(self, tensor: Tensor) -> None:
        """Count a tensor until it is gone, once for all views."""
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self.refs and self.refs[key]() is storage:
            return

        def gone(ref: weakref.ref) -> None:
            self.bytes -= size
            if self.refs.get(key) is ref:
                del self.refs[key]

        self.refs[key] = weakref.ref(storage, gone)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run an operation and count what it made."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return out


def peak_of(function: Callable[[], Any], device: torch.device | str = "cpu") -> int:
    """Run a function and tell the most memory in bytes that it held beyond what was there before.

    Args:
        function: what to run; what it returns is dropped.
        device: whose memory; on cpu what torch allocates, as its profiler sees it.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it tells of a missing GPU, each time
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        function()
    events = [e for e in profile.kineto_results.events() if e.name() == "[memory]"]
    held, peak = 0, 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def choose_tile(
    net: nn.Module,
    channels: int,
    height: int,
    width: int,
    memory: int,
    *,
    size_multiple: int,
    dtype: torch.dtype | None = None,
) -> int:
    """Choose the largest tiles that memory allows; the whole image where it fits.

    Args:
        net: see `peak_bytes`.
        channels: of the image.
        height: of the image in pixels.
        width: of the image in pixels.
        memory: in bytes, for all but the weights.
        size_multiple: the side is a multiple of it.
        dtype: see `peak_bytes`.

    Returns:
        Side in pixels; that of a square around the image where it fits as a whole.

    Raises:
        ValueError: where not even the smallest tile fits.
    """

    lengths = [length + -length % size_multiple for length in (height, width)]
    whole = max(lengths) // size_multiple

    def area(steps: int) -> int:
        return math.prod(min(length, steps * size_multiple) for length in lengths)

    # Memory is close to proportional to the area: a few sizes tell where it ends.
    low, high, steps = 0, whole + 1, min(whole, -(-256 // size_multiple))
    while low < steps < high:
        sides = [min(length, steps * size_multiple) for length in lengths]
        peak = peak_bytes(net, channels, *sides, dtype)
        low, high = (steps, high) if peak <= memory else (low, steps)
        allowed = area(steps) * memory / peak
        guess = bisect_right(range(whole + 1), allowed, key=area) - 1
        steps = max(guess, low) if peak <= memory else max(low + 1, min(guess, high - 1))
    if not low:
        raise ValueError(
            f"memory={memory} bytes hold no tile of {size_multiple} px, "
            f"which takes {peak}: give more"
        )
    return low * size_multiple
