"""The whole model against its official code, on the same weights."""

from collections.abc import Callable

import torch
from torch import nn

from denoise.benchmark.calls import Bfloat16Autocast, Factory, image, inference, training
from denoise.benchmark.timing import Row, compare
from denoise.weights.published_restormer import from_official


def model(make: Factory, rounds: int, compiled: bool = True) -> dict[str, list[Row]]:
    """Compare the paper's model, 26 M parameters, in inference and in a training step.

    Args:
        make: builds our backbone.
        rounds: timings of each variant.
        compiled: whether to compare compiled variants too, which takes minutes to compile.

    Raises:
        ImportError: without deepinv, whose Restormer is the official code's equal.
    """
    official, same_model = same_weights(make)
    ours = same_model()
    nets = {"official": official, "ours": ours}
    if compiled:
        nets["ours compiled"] = same_model()
        nets["ours compiled"].compile()
        if torch.cuda.is_available():
            nets["ours CUDA graphs"] = same_model()
            nets["ours CUDA graphs"].compile(mode="reduce-overhead")
    autocast = {f"{name} bf16": Bfloat16Autocast(net) for name, net in nets.items()}
    tables = {}
    x = image(256, dim=3)
    variants = {name: inference(net, x) for name, net in (nets | autocast).items()}
    tables["inference, 3 x 256 x 256"] = compare(variants, rounds=rounds, progress="inference")
    nets["ours checkpointing"] = same_model("backbone.checkpointing=true")
    autocast["ours checkpointing bf16"] = Bfloat16Autocast(nets["ours checkpointing"])
    x = image(128, dim=3)
    variants = {name: training(net, x) for name, net in (nets | autocast).items()}
    tables["training step, 3 x 128 x 128"] = compare(
        variants, rounds=rounds, progress="training step"
    )
    return tables


def same_weights(
    make: Factory,
) -> tuple[nn.Module, Callable[..., nn.Module]]:
    """Return the official model, and a function that builds ours of overrides with its weights."""
    from deepinv.models.restormer import Restormer as Official

    torch.manual_seed(0)
    official = Official(LayerNorm_type="WithBias", pretrained=None).eval()

    def same_model(*overrides: str) -> nn.Module:
        net = make.backbone("backbone=base", *overrides).eval()
        net.load_state_dict(from_official(official.state_dict()))
        return net

    return official, same_model
