"""LayerNorm and DyT, alone and in the whole model, each in its plain and its compiled variant."""

import torch
from torch import Tensor, nn

from denoise.benchmark.calls import Bfloat16Autocast, Factory, image, inference, training
from denoise.benchmark.timing import Row, compare

DIM, SIDE = 96, 128


class PlainDyT(nn.Module):
    """DyT as its paper writes it for channels-first tensors (Zhu et al. 2025, arXiv 2503.10622)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), 0.5))
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Squash (B, C, H, W)."""
        x = torch.tanh(self.alpha * x)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def norm(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Compare norms on (1, DIM, SIDE, SIDE) and in training steps of the tiny model.

    Args:
        make: builds our backbone.
        rounds: timings of each variant.

    Raises:
        ImportError: without deepinv, whose LayerNorm is Restormer's own.
    """
    from deepinv.models.restormer import LayerNorm as Official

    from denoise.norm import DyT, LayerNorm

    x = image(SIDE, dim=DIM)
    plain = {"layernorm official": Official(DIM, "WithBias"), "layernorm": LayerNorm(DIM),
             "dyt of the paper": PlainDyT(DIM), "dyt": DyT(DIM)}  # fmt: skip
    modules = dict(plain)
    for name, make_norm in {"layernorm": LayerNorm, "dyt": DyT}.items():
        modules[f"{name} compiled"] = make_norm(DIM)
        modules[f"{name} compiled"].compile()
    modules |= {f"{name} bf16": Bfloat16Autocast(module) for name, module in plain.items()}
    in_bfloat16 = x.bfloat16()

    def input_of(name: str) -> Tensor:
        return in_bfloat16 if name.endswith("bf16") else x

    tables = {}
    variants = {name: inference(module, input_of(name)) for name, module in modules.items()}
    tables[f"forward, {DIM} x {SIDE} x {SIDE}"] = compare(
        variants, rounds=rounds, progress="forward"
    )
    variants = {name: training(module, input_of(name)) for name, module in modules.items()}
    tables[f"forward and backward, {DIM} x {SIDE} x {SIDE}"] = compare(
        variants, rounds=rounds, progress="forward and backward"
    )
    x = image(48, dim=3, batch=4)
    nets = {name: make.backbone(f"norm={name}") for name in ("layernorm", "dyt", "rms", "none")}
    nets |= {f"{name} compiled": make.backbone(f"norm={name}") for name in ("layernorm", "dyt")}
    for name in ("layernorm compiled", "dyt compiled"):
        nets[name].compile()
    nets |= {
        f"{name} bf16": Bfloat16Autocast(make.backbone(f"norm={name}"))
        for name in ("layernorm", "dyt")
    }
    variants = {name: training(net, x) for name, net in nets.items()}
    tables["training step of the tiny model, 4 crops of 48 x 48"] = compare(
        variants, rounds=rounds, progress="tiny model"
    )
    return tables
