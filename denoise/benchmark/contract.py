"""The contract of an attention, tried on one that nobody here has seen: a line a promise."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from denoise.benchmark.timing import Row
from denoise.errors import first_line
from denoise.evaluation.complexity import macs
from denoise.properties import Mixer, MixerFactory, MixerProperties, takes_level

DIM, HEADS = 16, 2
SIZES = ((1, 1), (3, 5), (7, 9), (8, 8), (13, 18), (33, 26))
LENGTH = 48  # side in pixels of the image by which the receptive field is tried
EXACT = 1e-10  # difference in float64 that is rounding

Check = Callable[[Mixer], str]


class BrokenPromiseError(Exception):
    """What a mixer does is not what the contract says."""


def try_contract(make: MixerFactory) -> list[Row]:
    """Try what tiles, training and export rely on; a mixer that fails at one is tried at the rest.

    Args:
        make: Of (dim, num_heads, block_index), and of level where it takes it.

    Returns:
        Rows of promise, outcome ("kept", "broken") and what was found.
    """
    level = {"level": 0} if takes_level(make) else {}
    rows: list[Row] = []

    def row(promise: str, check: Callable[[], str]) -> None:
        try:
            rows.append({"promise": promise, "outcome": "kept", "found": check()})
        except Exception as error:  # whatever its code raises
            known = "" if isinstance(error, BrokenPromiseError) else f"{type(error).__name__}: "
            rows.append(
                {"promise": promise, "outcome": "broken", "found": known + first_line(error)}
            )

    def built() -> str:
        for index in (0, 1):
            if not isinstance(make(DIM, HEADS, index, **level), Mixer):
                raise BrokenPromiseError("derive it from denoise.properties.Mixer")
        return f"from ({DIM}, {HEADS}, block_index)"

    row("it is built", built)
    if rows[0]["outcome"] == "kept":
        for promise, check in CHECKS.items():
            row(promise, partial(_try, check, partial(make, DIM, HEADS, 1, **level)))
        row("a fresh one is the identity of its block, or says not", lambda: _fresh(
            make(DIM, HEADS, 1, **level)))  # fmt: skip
    return rows


def _try(check: Check, make: Callable[[], Mixer]) -> str:
    return check(_randomized(make()))


def _states(mixer: Mixer) -> str:
    if not isinstance(getattr(mixer, "properties", None), MixerProperties):
        raise BrokenPromiseError("set self.properties to MixerProperties in its constructor")
    return f"{mixer.properties.family}, O({mixer.properties.complexity})"


def _sizes(mixer: Mixer) -> str:
    for size in SIZES:
        x = _image(2, *size)
        out = mixer(x)
        if out.shape != x.shape:
            raise BrokenPromiseError(f"{size} gives {tuple(out.shape[2:])}")
        _require(bool(out.isfinite().all()), f"{size} gives what is no number")
    return f"{len(SIZES)} sizes from 1 x 1"


def _precisions(mixer: Mixer) -> str:
    x, errors = _image(2, 13, 18), []
    exact = mixer(x)
    for dtype, limit in ((torch.float32, 1e-4), (torch.bfloat16, 0.25)):
        out = copy.deepcopy(mixer).to(dtype)(x.to(dtype))
        error = ((out - exact).abs().max() / exact.abs().max().clamp_min(1e-12)).item()
        _require(out.dtype == dtype, f"{dtype} gives {out.dtype}")
        _require(error <= limit, f"{dtype} is off by {error:.1e} of the largest value")
        errors.append(f"{error:.0e}")
    return f"off by {' and '.join(errors)} in float32 and bfloat16"


def _gradients(mixer: Mixer) -> str:
    x = _image(2, 13, 18).requires_grad_()
    mixer(x).square().mean().backward()
    for name, value in [("the input", x), *mixer.named_parameters()]:
        _require(value.grad is not None and bool(value.grad.isfinite().all()),
                 f"no finite gradient of {name}")  # fmt: skip
        assert value.grad is not None
        _require(bool(value.grad.any()), f"{name} has no part in the output")
    return f"{sum(1 for _ in mixer.parameters())} parameters"


def _batch(mixer: Mixer) -> str:
    x = _image(3, 13, 18)
    alone = torch.cat([mixer(one) for one in x.split(1)])
    return _same(mixer(x), alone, "images of a batch change each other")


def _layout(mixer: Mixer) -> str:
    x = _image(2, 13, 18)
    other = mixer(x.contiguous(memory_format=torch.channels_last))
    return _same(mixer(x), other, "channels_last memory changes the result")


def _again(mixer: Mixer) -> str:
    x = _image(2, 13, 18)
    mixer(_image(1, 40, 50))  # which must leave nothing behind
    first = mixer(x)
    mixer(_image(1, 9, 64))
    return _same(first, mixer(x), "the same image gives another result later")


def _fresh(mixer: Mixer) -> str:
    zero = not bool(mixer.double()(_image(1, 13, 18)).any())
    stated = mixer.properties.zero_init
    _require(zero == stated, f"properties.zero_init={stated}, but its output is "
             f"{'zero' if zero else 'not zero'}")  # fmt: skip
    return f"zero_init={stated}"


def _receptive_field(mixer: Mixer) -> str:
    stated = mixer.properties.receptive_field
    reach = 0
    for axis in (2, 3):
        size = (LENGTH, 9) if axis == 2 else (9, LENGTH)
        x = _image(1, *size).requires_grad_()
        out = mixer(x).movedim(axis, 2)
        for pixel in range(LENGTH):
            (gradient,) = torch.autograd.grad(out[:, :, pixel].sum(), x, retain_graph=True)
            seen = gradient.movedim(axis, 2).abs().amax((0, 1, 3)).gt(EXACT).nonzero().flatten()
            if not len(seen):
                continue
            first, last = int(seen[0]), int(seen[-1])
            reach = max(reach, pixel - first, last - pixel)
            if stated is not None:
                low, high = stated.input_range(pixel, pixel, LENGTH)
                found = f"pixel {pixel} sees {first} to {last}, stated {low} to {high}"
                _require(low <= first and last <= high, found)
    return f"sees {reach} px" if stated is not None else f"sees {reach} of {LENGTH} px, stated all"


def _export(mixer: Mixer) -> str:
    stated = mixer.properties.export
    side = {2: torch.export.Dim("H", min=32, max=4096), 3: torch.export.Dim("W", min=32, max=4096)}
    try:
        program = torch.export.export(
            _Residual(mixer).eval(), (_image(2, 41, 47),), dynamic_shapes=(side,),
            prefer_deferred_runtime_asserts_over_guards=True,
        )  # fmt: skip
        x = _image(2, 57, 66)
        return _same(program.module()(x), x + mixer(x), "the exported program gives another result")
    except BrokenPromiseError:
        raise
    except Exception as error:
        if stated:
            return f"not exported, as stated: {stated}"
        raise BrokenPromiseError(f"{first_line(error)}: mend it, or say so in properties.export"
                                 ) from error  # fmt: skip


def _cost(mixer: Mixer) -> str:
    parameters = sum(p.numel() for p in mixer.parameters())
    operations = macs(_WithSigma(mixer.float()), DIM, 256) / 256**2
    return f"{parameters:,} parameters, {operations:,.0f} multiply-accumulates a pixel at 256 x 256"


CHECKS: dict[str, Check] = {
    "it states its properties": _states,
    "any height and width": _sizes,
    "float32 and bfloat16 as float64": _precisions,
    "every parameter learns": _gradients,
    "images of a batch do not meet": _batch,
    "any memory layout": _layout,
    "the same image gives the same": _again,
    "it sees what its receptive field says": _receptive_field,
    "it is exported with open sizes, or says not": _export,
    "its cost can be counted": _cost,
}


class _Residual(nn.Module):
    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mixer(x)


class _WithSigma(_Residual):
    def forward(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        return self.mixer(x)


def _randomized(mixer: Mixer) -> Mixer:
    """Return a mixer in float64 with random parameters: zeros hide what they multiply."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in mixer.double().parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(drawn * min(0.5, 8 / max(1, parameter[:1].numel())))
    return mixer


def _image(*shape: int) -> Tensor:
    B, H, W = shape
    return torch.randn(B, DIM, H, W, generator=torch.Generator().manual_seed(1)).double()


def _same(one: Tensor, other: Tensor, otherwise: str) -> str:
    error = (one - other).abs().max().item()
    _require(error <= EXACT * max(1, one.abs().max().item()), f"{otherwise}, by {error:.1e}")
    return "yes"


def _require(kept: bool, otherwise: str) -> None:
    if not kept:
        raise BrokenPromiseError(otherwise)


def broken(rows: list[Row]) -> Iterator[str]:
    """Yield the promises that were not kept."""
    return (str(row["promise"]) for row in rows if row["outcome"] == "broken")
