"""The whole model against its official form, on the same weights."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from denoise.benchmark.attention import image, inference, training
from denoise.benchmark.timing import Row, compare
from denoise.weights.published_restormer import from_official


def model(
    make: Callable[..., nn.Module], rounds: int, compiled: bool = True
) -> dict[str, list[Row]]:
    """Compare the paper's model, 26 M parameters, in inference and in a training step.

    Args:
        make: makes our backbone from words of the command line.
        rounds: turns of each form.
        compiled: whether to compare compiled forms too, which takes minutes to compile.

    Raises:
        ImportError: without deepinv, whose Restormer is the official code's equal.
    """
    official, twin = _on_the_same_weights(make)
    ours = twin()
    nets = {"official": official, "ours": ours}
    if compiled:
        nets["ours compiled"] = twin()
        nets["ours compiled"].compile()
        if torch.cuda.is_available():
            nets["ours CUDA graphs"] = twin()
            nets["ours CUDA graphs"].compile(mode="reduce-overhead")
    halves = {f"{name} bf16": half(net) for name, net in nets.items()}
    tables = {}
    x = image(256, dim=3)
    forms = {name: inference(net, x) for name, net in (nets | halves).items()}
    tables["inference, 3 x 256 x 256"] = compare(forms, rounds=rounds, progress="inference")
    nets["ours checkpointing"] = twin("backbone.checkpointing=true")
    halves["ours checkpointing bf16"] = half(nets["ours checkpointing"])
    x = image(128, dim=3)
    forms = {name: training(net, x) for name, net in (nets | halves).items()}
    tables["training step, 3 x 128 x 128"] = compare(forms, rounds=rounds, progress="training step")
    return tables


def roofline(make: Callable[..., nn.Module], rounds: int) -> dict[str, list[Row]]:
    """Relate the float32 inference of the paper's model to what this device can do at best.

    Args:
        make: makes our backbone from words of the command line.
        rounds: turns of each form.

    Raises:
        ImportError: without deepinv.
    """
    official, twin = _on_the_same_weights(make)
    net, x = twin(), image(256, dim=3)
    forms = {"official": inference(official, x), "ours": inference(net, x)}
    timed = compare(forms, rounds=rounds, progress="inference", memory=False)
    rows: list[Row] = []
    for name, one in {"official": official, "ours": net}.items():
        with torch.no_grad(), FlopCounterMode(display=False) as flops, _Traffic() as traffic:
            one(x)
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
        rows.append({"what": f"ms, {row['form']}", "value": row["ms"]})
        share = max(arithmetic, memory) / row["ms"]
        rows.append({"what": f"share of the larger bound, {row['form']}", "value": share})
    return {"inference of 3 x 256 x 256 in float32": rows}


def _on_the_same_weights(
    make: Callable[..., nn.Module],
) -> tuple[nn.Module, Callable[..., nn.Module]]:
    """Make the official model, and a maker of ours that takes its weights."""
    from deepinv.models.restormer import Restormer as Official

    torch.manual_seed(0)
    official = Official(LayerNorm_type="WithBias", pretrained=None).eval()

    def twin(*words: str) -> nn.Module:
        net = make("backbone=base", *words).eval()
        net.load_state_dict(from_official(official.state_dict()))
        return net

    return official, twin


def half(net: nn.Module) -> nn.Module:
    """Make the module that runs a network under bfloat16 autocast, on the same weights."""
    return _Half(net)


class _Half(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.net(x)


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
            tensors = torch.utils._pytree.tree_leaves((args, kwargs, out))
            self.bytes += sum(t.nbytes for t in tensors if isinstance(t, Tensor))
        return out
