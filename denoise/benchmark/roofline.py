"""The model's inference against the limits of this device."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from denoise.benchmark.calls import Factory, image, inference
from denoise.benchmark.model import same_weights
from denoise.benchmark.timing import Row, compare


def roofline(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Relate the float32 inference of the paper's model to the limits of this device.

    Args:
        make: builds our backbone.
        rounds: timings of each variant.

    Raises:
        ImportError: without deepinv.
    """
    official, same_model = same_weights(make)
    net, x = same_model(), image(256, dim=3)
    variants = {"official": inference(official, x), "ours": inference(net, x)}
    timed = compare(variants, rounds=rounds, progress="inference", memory=False)
    rows: list[Row] = []
    for name, network in {"official": official, "ours": net}.items():
        with torch.no_grad(), FlopCounterMode(display=False) as flops, _Traffic() as traffic:
            network(x)
        counts = flops.get_flop_counts()["Global"]
        convolutions = sum(n for op, n in counts.items() if "conv" in str(op))
        rows += [
            {"what": f"GMACs, {name}", "value": flops.get_total_flops() / 2e9},
            {"what": f"GMACs of convolutions alone, {name}", "value": convolutions / 2e9},
            {"what": f"GB read and written by operations, {name}", "value": traffic.bytes / 1e9},
        ]
    a, source = torch.randn(2048, 2048, device=x.device), torch.randn(1 << 25, device=x.device)
    target = torch.empty_like(source)
    wide, kernel = image(64, dim=512), torch.randn(512, 512, 1, 1, device=x.device)
    speeds = compare(
        {"matmul": lambda: a @ a, "1x1 convolution": lambda: F.conv2d(wide, kernel),
         "copy": lambda: target.copy_(source)},
        rounds=9, progress="speed of the device", memory=False,
    )  # fmt: skip
    work = 2 * 2048**3, 2 * 512**2 * 64**2, 2 * source.nbytes
    matmul, convolution, copy = (n / row["ms"] / 1e6 for n, row in zip(work, speeds, strict=True))
    rows += [{"what": "GFLOP/s of a matmul", "value": matmul},
             {"what": "GFLOP/s of a 1x1 convolution", "value": convolution},
             {"what": "GB/s of a copy", "value": copy}]  # fmt: skip
    arithmetic = flops.get_total_flops() / max(matmul, convolution) / 1e6
    memory = traffic.bytes / copy / 1e6
    rows += [{"what": "ms of arithmetic of ours at the larger rate", "value": arithmetic},
             {"what": "ms of memory traffic of ours at that rate", "value": memory}]  # fmt: skip
    for row in timed:
        rows.append({"what": f"ms, {row['variant']}", "value": row["ms"]})
        share = max(arithmetic, memory) / row["ms"]
        rows.append({"what": f"share of the larger bound, {row['variant']}", "value": share})
    return {"inference of 3 x 256 x 256 in float32": rows}


class _Traffic(TorchDispatchMode):
    """Counts the bytes of the tensors that each operation reads and writes; views move none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = tree_leaves((args, kwargs, out))
            self.bytes += sum(t.nbytes for t in tensors if isinstance(t, Tensor))
        return out
