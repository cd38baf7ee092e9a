"""Local and window attention against the naive variant and against other packages."""

from importlib.util import find_spec

from torch import Tensor, nn

from denoise.attention.swin import ShiftedWindowAttention
from denoise.benchmark.calls import DIM, Factory, image, inference, training
from denoise.benchmark.timing import Row, compare
from denoise.layers.attention_backends import BACKENDS

LOCAL = {
    "unfold, naive": ("attention=unfold", "attention.naive=true"),
    "unfold": ("attention=unfold",),
    "neighborhood": ("attention=neighborhood",),
    "swin": ("attention=swin",),
}


def attention(make: Factory, rounds: int) -> dict[str, list[Row]]:
    """Compare local attentions, the gradients of `non_local`, and backends of `neighborhood`.

    Args:
        make: builds the mixers.
        rounds: timings of each variant.
    """
    variants: dict[str, nn.Module] = {
        name: make.mixer(192, 4, *overrides) for name, overrides in LOCAL.items()
    }
    swin = variants["swin"]
    assert isinstance(swin, ShiftedWindowAttention)
    variants["swin of torchvision"] = TorchvisionSwin(swin, shift=4)
    x = image(64, dim=192)
    tables = {}
    for title, call in {"inference": inference, "training": training}.items():
        calls = {name: call(variant, x) for name, variant in variants.items()}
        rows = compare(calls, rounds=rounds, progress=title)
        tables[f"local attention, kernel 7, 192 channels, 64 x 64, {title}"] = rows
    block, wide = make.mixer(DIM, 1, "attention=non_local"), image(128)
    calls = {"inference": inference(block, wide), "training": training(block, wide)}
    title = f"non_local, {DIM} channels, 128 x 128"
    tables[title] = compare(calls, rounds=rounds, progress=title)
    if find_spec("natten"):
        options = "attention=neighborhood", "attention.position_bias=false"
        variants = {
            name: make.mixer(192, 6, *options, f"attention.backend={name}") for name in BACKENDS
        }
        variants["tiles"].load_state_dict(variants["natten"].state_dict())
        calls = {name: inference(variant, x) for name, variant in variants.items()}
        title = "backends of neighborhood, 6 heads of 32 channels, no position bias"
        tables[title] = compare(calls, rounds=rounds, progress="backends")
    return tables


class TorchvisionSwin(nn.Module):
    """Torchvision's shifted windows, with the weights of ours.

    Args:
        ours: a mixer of `attention=swin`.
        shift: of its windows in pixels.
    """

    def __init__(self, ours: ShiftedWindowAttention, shift: int) -> None:
        super().__init__()
        from torchvision.models import swin_transformer

        (dim, *_), heads = ours.proj.weight.shape, ours.num_heads
        window = [ours.window_size] * 2
        self.attention = swin_transformer.ShiftedWindowAttention(dim, window, [shift] * 2, heads)
        weights = {name: p.flatten(1) if p.ndim == 4 else p for name, p in ours.named_parameters()}
        weights["relative_position_bias_table"] = weights.pop("position_bias")
        self.attention.load_state_dict(weights, strict=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix (B, C, H, W)."""
        return self.attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
