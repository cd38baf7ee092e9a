"""The contract of every attention, whatever is in configs/attention."""

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from harness import ROOT, make, options, randomize
from oracles import depends, image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

NAMES = options("attention")


def slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


SIZES = [(7, 9), *slow((1, 1), (3, 5), (8, 8), (13, 16), (17, 6), (64, 40))]
WINDOWED_MDTA = [
    f"mdta attention.window={window} attention.stride={stride}"
    for window, stride in [(8, 4), (6, 2), (4, 4)]
]
VARIANTS = [
    *WINDOWED_MDTA, "acmix attention.pe=official", "cbam attention.pool=avg",
    "cbam attention.projection=false",
    "neighborhood attention.dilation=2", "neighborhood attention.position_bias=false",
    "non_local attention.pool=3", "pvt attention.linear=true", "slide attention.border=official",
    "unfold attention.dilation=2", "unfold attention.border=reflect",
]  # fmt: skip


def mixers(name, dim=16, num_heads=2, index=1):
    """Make the mixers of an option: one, or one a level."""
    return [randomize(maker(dim, num_heads, index)) for maker in makers(name)]


def makers(name):
    made = make("attention", *f"attention={name}".split())
    return [made] if callable(made) else made


def close(out, expected, tolerance):
    """Equal within a tolerance relative to the largest value, or absolute if that is below 1."""
    assert (out - expected).abs().max() <= tolerance * max(1, expected.abs().max())


def results(mixer, x):
    """Output and gradients, in the precision of x."""
    mixer = copy.deepcopy(mixer).to(x.dtype)
    leaf = x.clone().requires_grad_()
    for numbers in range(16, 4096, 48):  # freed at once
        torch.full((numbers,), math.nan)
    out = mixer(leaf)
    out.square().mean().backward()
    return [out.detach(), leaf.grad, *(p.grad for p in mixer.parameters())]


def test_every_yaml_has_its_module_and_its_test():
    files = Path(ROOT / "denoise" / "attention").glob("[!_]*.py")
    assert sorted(path.stem for path in files) == NAMES
    for name in NAMES:
        assert (ROOT / "tests" / "attention" / f"test_{name}.py").is_file()
        text = (ROOT / "configs" / "attention" / f"{name}.yaml").read_text()
        assert f"_target_: denoise.attention.{name}." in text


@pytest.mark.parametrize("name", [*NAMES, *slow(*VARIANTS)])
class TestContract:
    @pytest.mark.parametrize("size", SIZES, ids=str)
    @pytest.mark.parametrize(
        ("batch", "heads", "index"), [(3, 2, 0), pytest.param(1, 1, 1, marks=pytest.mark.slow)]
    )
    def test_any_size_and_precision(self, name, size, batch, heads, index):
        """Against float64, gradients too; what is free in memory is no number."""
        for mixer in mixers(name, num_heads=heads, index=index):
            x = image(batch, 16, *size)
            out, *gradients = results(mixer, x.double())
            largest = max(gradient.abs().max() for gradient in gradients)
            for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.25)):
                for one, other in zip(results(mixer, x.to(dtype)), [out, *gradients], strict=True):
                    assert one.shape == other.shape
                    assert one.dtype == dtype
                    scale = out.abs().max() if other is out else largest
                    assert (one - other).abs().max() <= tolerance * scale

    def test_every_parameter_has_a_part(self, name):
        for mixer in mixers(name):
            mixer(image(1, 16, 13, 18).requires_grad_()).square().mean().backward()
            assert all(p.grad.abs().sum() > 0 for p in mixer.parameters())

    def test_a_fresh_one_adds_nothing_unless_it_says_so(self, name):
        for maker in makers(name):
            mixer = maker(16, 2, 1)
            assert (mixer(image(1, 16, 13, 18)).abs().max() == 0) == mixer.properties.zero_init

    def test_images_of_a_batch_do_not_meet(self, name):
        for mixer in mixers(name):
            mixer.double()
            x = image(3, 16, 13, 18).double()
            alone = torch.cat([mixer(one) for one in x.split(1)])
            close(mixer(x), alone, 1e-12)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, *slow(torch.float32)], ids=str)
    def test_precision(self, name, dtype):
        for mixer in mixers(name):
            x = image(2, 16, 13, 18).to(dtype)
            mixer.to(dtype)
            out = mixer(x)
            exact = mixer.double()(x.double())
            error = (out.double() - exact).abs().max() / exact.abs().max()
            assert out.dtype == dtype
            assert error < 16 * torch.finfo(dtype).eps

    def test_autocast(self, name):
        for mixer in mixers(name):
            x = image(2, 16, 13, 18).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16):
                out = mixer(x)
            out.float().square().mean().backward()
            exact = mixer(x)
            assert (out - exact).abs().max() / exact.abs().max() < 0.15
            assert all(torch.isfinite(p.grad).all() for p in mixer.parameters())

    def test_channels_last_stays_and_changes_nothing(self, name):
        for mixer in mixers(name):
            mixer.double()
            x = image(2, 16, 13, 18).double()
            out = mixer(x.contiguous(memory_format=torch.channels_last))
            assert out.is_contiguous(memory_format=torch.channels_last)
            close(out, mixer(x), 1e-12)

    def test_weights_know_no_size(self, name):
        for mixer, other in zip(mixers(name), mixers(name, index=3), strict=True):
            mixer(image(1, 16, 64, 64))
            randomize(other, seed=1).load_state_dict(mixer.state_dict())
            x = image(1, 16, 50, 75)
            torch.testing.assert_close(mixer(x), other(x))

    def test_inference_mode_first_then_training(self, name):
        for mixer in mixers(name):
            with torch.inference_mode():
                mixer(image(1, 16, 13, 18))
            mixer(image(1, 16, 13, 18).requires_grad_()).sum().backward()

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_padding_carries_no_weight(self, name, size, monkeypatch):
        """Whatever is written outside the image leaves the output alone."""
        pad = F.pad

        def loud(x, widths, mode="constant", value=None):
            fill = 1e3 if mode == "constant" and value is None else value
            return pad(x, widths, mode, fill)

        for mixer in mixers(name):
            mixer.double()
            x = image(2, 16, *size).double()
            quiet = mixer(x)
            monkeypatch.setattr(F, "pad", loud)
            close(mixer(x), quiet, 1e-10)
            monkeypatch.setattr(F, "pad", pad)

    def test_compiles_without_a_break(self, name):
        for mixer in mixers(name):
            x = image(2, 16, 40, 48).double()
            torch._dynamo.reset()
            compiled = torch.compile(mixer.double(), backend="eager", fullgraph=True)
            close(compiled(x), mixer(x), 1e-10)

    @pytest.mark.parametrize("index", [1, *slow(0)])
    def test_exports_with_open_sizes_or_says_why_not(self, name, index):
        """As x + mixer(x), so that the output's sizes must be provably the input's.

        Write a rounded-up quotient as (H + w - 1) // w: the exporter cannot reason about -H % w.
        """
        for mixer in mixers(name, index=index):
            block = Residual(mixer.double()).eval()
            sides = {2: torch.export.Dim("H", min=32, max=4096),
                     3: torch.export.Dim("W", min=32, max=4096)}  # fmt: skip
            try:
                program = torch.export.export(
                    block,
                    (image(2, 16, 41, 47).double(),),
                    dynamic_shapes=(sides,),
                    prefer_deferred_runtime_asserts_over_guards=True,
                )
            except Exception as error:
                if not mixer.properties.export:
                    pytest.fail(f"properties.export does not say why: {error}")
                continue
            assert not mixer.properties.export, "it works, yet properties.export says it does not"
            for size in [(57, 66), (48, 64)]:
                x = image(2, 16, *size).double()
                close(program.module()(x), block(x), 1e-10)


class Residual(torch.nn.Module):
    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer

    def forward(self, x):
        return x + self.mixer(x)


class Operations(TorchDispatchMode):
    """The names of all that is computed."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.__name__)
        return func(*args, **kwargs or {})


def possible_families(mixer):
    properties = mixer.properties
    x = image(1, 16, 13, 18)
    with Operations() as run:
        mixer(x)
    attends = any("softmax" in name or "attention" in name for name in run.names)
    if not run.names:
        return {"none"}
    if properties.receptive_field is not None:
        if properties.shift_period > 1:
            return {"window"}
        multiplies = any(name.startswith("mul") for name in run.names)
        return {"local"} if attends else {"gating"} if multiplies else {"convolution"}
    if properties.complexity == "N" and properties.shift_period == 1:
        return {"channel"}
    if properties.complexity == "N^1.5":
        return {"window"}
    return {"global"} if properties.shift_period == 1 else {"sparse global"}


@pytest.mark.parametrize("name", NAMES)
def test_family(name):
    """It follows from the properties tested below, and from whether a softmax is taken."""
    for mixer in mixers(name):
        parts = [mixer.first, mixer.second] if name == "dual" else [mixer]
        families = [part.properties.family for part in parts]
        assert mixer.properties.family == " + ".join(families)
        for part, family in zip(parts, families, strict=True):
            assert family in possible_families(part)


@pytest.mark.parametrize("name", [*NAMES, *slow(*WINDOWED_MDTA)])
class TestProperties:
    @pytest.mark.parametrize("index", [1, *slow(0)])
    @pytest.mark.parametrize("axis", [2, *slow(3)])
    @pytest.mark.parametrize("length", [48, *slow(13)])
    def test_receptive_field_is_what_decides_and_no_more(self, name, index, axis, length):
        for mixer in mixers(name, index=index):
            if mixer.properties.receptive_field is None:
                continue
            visible = depends(mixer.double(), length, 9, axis)
            for place in range(length):
                first, last = mixer.properties.receptive_field.input_range(place, place, length)
                assert visible[:first, place].sum() + visible[last + 1 :, place].sum() < 1e-12
                assert visible[first, place] > 1e-12
                assert visible[last, place] > 1e-12

    def test_without_a_receptive_field_the_first_row_is_felt_far_away(self, name):
        for mixer in mixers(name):
            if mixer.properties.receptive_field is None:
                visible = depends(mixer.double(), 48, 9, 2)
                assert visible[0, 36:].max() > 1e-9

    @pytest.mark.parametrize("index", [1, *slow(0)])
    def test_a_crop_gives_the_same_exactly_with_a_receptive_field(self, name, index):
        for mixer in mixers(name, index=index):
            mixer.double()
            receptive_field = mixer.properties.receptive_field
            H, W = 100, 131
            x = image(1, 16, H, W).double()
            whole = mixer(x)
            for a, b in [((0, 9), (0, 20)), ((45, 52), (50, 66)), ((80, 99), (100, 130))]:
                crop = []
                for (first, last), length in ((a, H), (b, W)):
                    low, high = (
                        receptive_field.input_range(first, last, length)
                        if receptive_field
                        else (first, last)
                    )
                    alignment, min_size = (
                        (receptive_field.alignment, receptive_field.min_size)
                        if receptive_field
                        else (1, 1)
                    )
                    low = min(low, max(0, length - min_size)) // alignment * alignment
                    crop.append((low, min(length, max(high + 1, low + min_size))))
                (top, bottom), (left, right) = crop
                part = mixer(x[..., top:bottom, left:right])
                part = part[..., a[0] - top : a[1] + 1 - top, b[0] - left : b[1] + 1 - left]
                expected = whole[..., a[0] : a[1] + 1, b[0] : b[1] + 1]
                error = (part - expected).abs().max() / expected.abs().max()
                assert (error < 1e-12) == (receptive_field is not None)

    def test_shift_period(self, name, monkeypatch):
        """On a torus: shifts by the period shift the output, smaller ones do not."""
        for mixer in mixers(name, index=0):
            mixer.double()
            for module in mixer.modules():
                if isinstance(module, torch.nn.Conv2d):
                    monkeypatch.setattr(module, "padding_mode", "circular")
            step = mixer.properties.shift_period
            for axis in (2, 3):
                if step:
                    assert shift_error(mixer, step, axis) < 1e-12
                for smaller in {1, 2, 4, 8, 16} & set(range(step or 17)):
                    assert shift_error(mixer, smaller, axis) > 1e-9

    def test_constant_image_stays_constant(self, name):
        for mixer in mixers(name):
            mixer.double()
            H, W = 60, 56
            out = mixer(image(1, 16, 1, 1).double().expand(1, 16, H, W))
            receptive_field, margin = mixer.properties.receptive_field, 4
            if receptive_field:
                margin = max(
                    next(p for p in range(H) if receptive_field.input_range(p, p, H)[0] > 0),
                    next(
                        p
                        for p in range(H)
                        if receptive_field.input_range(H - 1 - p, H - 1 - p, H)[1] < H - 1
                    ),
                )
            inside = out[..., margin : -margin or None, margin : -margin or None]
            deviation = (inside - inside[..., :1, :1]).abs().max() / inside.abs().max()
            assert (deviation < 1e-12) == mixer.properties.preserves_constant

    def test_complexity(self, name):
        """The part of the multiply-accumulates that grows faster than the pixels has the power."""
        for mixer in mixers(name):
            small, middle, large = (count(mixer.to("meta"), side) for side in (128, 256, 512))
            if mixer.properties.complexity == "N":
                assert abs(large - 4 * middle) <= 0.02 * large
            else:
                power = math.log((large - 4 * middle) / (middle - 4 * small), 4)
                assert power == pytest.approx(float(mixer.properties.complexity[2:]), abs=0.01)


def shift_error(mixer, shift, axis):
    """How far a circularly shifted image is from giving the shifted output, away from borders."""
    H, W = 112, 96
    x = 0.3 * image(1, 16, H, W).double()
    out, receptive_field, inside = mixer(x), mixer.properties.receptive_field, slice(None)
    if receptive_field:
        low = next(p for p in range(H) if receptive_field.input_range(p, p, H)[0] > shift)
        high = next(
            p for p in range(H)[::-1] if receptive_field.input_range(p, p, H)[1] < H - shift
        )
        inside = slice(low, min(high, W - H + high))
    difference = mixer(x.roll(shift, axis)).roll(-shift, axis) - out
    return difference[..., inside, inside].abs().max() / out.abs().max()


def count(mixer, side):
    backend = torch.nn.attention.SDPBackend.MATH
    with torch.nn.attention.sdpa_kernel(backend), FlopCounterMode(display=False) as counter:
        mixer(torch.empty(1, 16, side, side, device="meta"))
    return counter.get_total_flops()
