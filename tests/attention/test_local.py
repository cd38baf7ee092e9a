"""Local attention against packages we did not write, or a loop over pixels."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import by_pixels

from denoise.attention.acmix import ACmix
from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.slide import SlideAttention
from denoise.attention.unfold import UnfoldAttention


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (5, 3), (7, 4)])
def test_neighborhood_by_pixels(size, kernel, dilation):
    mixer = randomize(
        NeighborhoodAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])
    ).double()

    def visible(place, length):
        k = max(1, min(kernel, length // dilation))
        offset, step = place % dilation, place // dilation
        count = -(-(length - offset) // dilation)
        start = min(max(step - k // 2, 0), count - k)
        return [offset + dilation * (start + i) for i in range(k)]

    def oracle(x):
        def bias(dy, dx):
            return mixer.position_bias[:, dy // dilation + kernel - 1, dx // dilation + kernel - 1]

        return by_pixels(mixer, x, visible, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_refuses_an_even_kernel(kind):
    with pytest.raises(ValueError, match="kernel_size=4"):
        kind(8, 2, 0, kernel_size=4)


def square(place, length, kernel, dilation):
    """The pixels of an axis among the `kernel` around a place."""
    receptive_field = range(-(kernel // 2) * dilation, kernel // 2 * dilation + 1, dilation)
    return [place + offset for offset in receptive_field if 0 <= place + offset < length]


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (7, 4)])
def test_unfold_by_pixels(size, kernel, dilation):
    mixer = randomize(UnfoldAttention(8, 2, 1, kernel_size=kernel, dilation=[1, dilation])).double()

    def oracle(x):
        def bias(dy, dx):
            middle = kernel // 2
            return mixer.position_bias[:, dy // dilation + middle, dx // dilation + middle]

        def visible(place, length):
            return square(place, length, kernel, dilation)

        return by_pixels(mixer, x, visible, bias)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("border", ["mask", "reflect"])
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (5, 1), (3, 2)])
def test_unfold_is_its_literal_form(size, border, kernel, dilation):
    options = {"kernel_size": kernel, "dilation": dilation, "border": border}
    mixer = randomize(UnfoldAttention(8, 2, 0, **options)).double()
    naive = UnfoldAttention(8, 2, 0, naive=True, **options).double()
    naive.load_state_dict(mixer.state_dict())
    assert_same((mixer, parameters(mixer)), (naive, parameters(naive)), normal(2, 8, *size))


def test_unfold_refuses_an_unknown_border():
    with pytest.raises(ValueError, match="border=zero"):
        UnfoldAttention(8, 2, 0, border="zero")


@pytest.mark.parametrize("limit", ["LOGITS", "KEYS"])
@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_a_few_images_or_rows_at_a_time_give_what_all_give(kind, limit, monkeypatch):
    mixer = randomize(kind(8, 2, 0)).double()
    monkeypatch.setattr(f"denoise.layers.tiled_attention.{limit}", 1)

    def traceable_attention(x):
        monkeypatch.undo()
        return mixer(x)

    few, whole = (mixer, parameters(mixer)), (traceable_attention, parameters(mixer))
    assert_same(few, whole, normal(3, 8, 17, 26))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(7, 1), (3, 1), (21, 1), (3, 2), (7, 4)])
@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_the_form_for_compilers_is_the_same(kind, kernel, dilation, size, monkeypatch):
    mixer = randomize(kind(8, 2, 0, kernel_size=kernel, dilation=dilation)).double()

    def traced(x):
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            return mixer(x)

    own = parameters(mixer)
    assert_same((traced, own), (mixer, own), normal(2, 8, *size))


def acmix_of_a_package(x, qkv, heads, attention, convolution, **named):
    """ACmix of fightingcv-attention, with our projection of queries, keys and values."""
    package = pytest.importorskip("fightingcv_attention.attention.ACmixAttention")
    theirs = package.ACmix(8, 8, attention, heads, convolution).double()
    theirs.dep_conv.padding = (convolution // 2,) * 2  # theirs fits a kernel of 3 alone
    for kind in ("weight", "bias"):
        for i, part in enumerate(getattr(qkv, kind).chunk(3)):
            named[f"conv{i + 1}.{kind}"] = part
    torch.set_default_dtype(torch.float64)
    try:
        return torch.func.functional_call(theirs, named, x)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("size", [(7, 9), (8, 8), (17, 13)], ids=str)
@pytest.mark.parametrize("kernel", [3, 7])
def test_unfold_is_the_attention_of_acmix(kernel, size):
    """Without positions and projection, at a mirrored border."""
    mixer = randomize(UnfoldAttention(8, 2, 0, kernel_size=kernel, border="reflect")).double()
    with torch.no_grad():
        mixer.position_bias.zero_()
    one, none = torch.ones(1).double(), torch.zeros(1).double()
    rest = {"rate1": one, "rate2": none, "conv_p.weight": torch.zeros(4, 2, 1, 1).double()}

    def official(x):
        out = acmix_of_a_package(x, mixer.qkv, 2, kernel, 3, **rest)
        return mixer.proj(out)

    own = {name: p for name, p in parameters(mixer).items() if name != "position_bias"}
    assert_same((mixer, own), (official, own), normal(2, 8, *size))


def convolved(mixer, x):
    """The convolution's half of ACmix, step by step: a linear map over heads, then shifts."""
    B, _, H, W = x.shape
    qkv = mixer.qkv(x).view(B, 3 * mixer.num_heads, -1, H, W)
    maps = torch.einsum("tc,bcihw->bithw", mixer.fc.weight, qkv)
    groups, padding = maps.shape[1], mixer.kernel_conv // 2
    return F.conv2d(maps.flatten(1, 2), mixer.shifts, padding=padding, groups=groups)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("attention", "convolution"), [(7, 3), (3, 5)])
def test_acmix_by_pixels(size, attention, convolution):
    mixer = randomize(ACmix(8, 2, 0, kernel_att=attention, kernel_conv=convolution)).double()
    middle = attention // 2

    def oracle(x):
        parts = SimpleNamespace(num_heads=2, qkv=mixer.qkv, proj=torch.nn.Identity())
        attended = by_pixels(
            parts,
            x,
            lambda place, length: square(place, length, attention, 1),
            lambda dy, dx: mixer.position_bias[:, dy + middle, dx + middle],
        )
        return mixer.rate1 * attended + mixer.rate2 * convolved(mixer, x)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize(("size", "heads"), [((7, 9), 2), ((8, 8), 1), ((17, 13), 4)], ids=str)
@pytest.mark.parametrize(("attention", "convolution"), [(7, 3), (3, 5)])
def test_acmix_is_the_papers(size, heads, attention, convolution):
    mixer = ACmix(8, heads, 0, kernel_att=attention, kernel_conv=convolution, pe="official")
    randomize(mixer).double()

    def official(x):
        named = {
            "conv_p.weight": mixer.positions.weight,
            "fc.weight": mixer.fc.weight[..., None, None],
            "dep_conv.weight": mixer.shifts,
            "rate1": mixer.rate1,
            "rate2": mixer.rate2,
        }
        return acmix_of_a_package(x, mixer.qkv, heads, attention, convolution, **named)

    assert_same((mixer, parameters(mixer)), (official, parameters(mixer)), normal(2, 8, *size))


def test_acmix_starts_as_shifts():
    mixer = ACmix(8, 2, 0).double()
    x = normal(1, 8, 9, 13)
    maps = torch.einsum("tc,bcihw->bithw", mixer.fc.weight, mixer.qkv(x).view(1, 6, 4, 9, 13))
    maps = F.pad(maps, (1, 1, 1, 1))
    moved = sum(maps[:, :, 3 * y + x, y : y + 9, x : x + 13] for y in range(3) for x in range(3))
    expected = moved.repeat_interleave(2, 1)
    torch.testing.assert_close(convolved(mixer, x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5)], ids=str)
def test_acmix_official_at_sizes_its_code_refuses(size):
    mixer = randomize(ACmix(8, 2, 0, pe="official")).double()
    out = mixer(normal(2, 8, *size))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in mixer.parameters())


@pytest.mark.parametrize("words", [{"kernel_att": 4}, {"kernel_conv": 2}, {"pe": "linspace"}])
def test_acmix_refuses(words):
    ((name, value),) = words.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        ACmix(8, 2, 0, **words)


def slide_by_pixels(mixer, x):
    """Slide attention by loops over pixels and offsets, with keys and values as convolutions."""
    B, C, H, W = x.shape
    N, k = mixer.num_heads, mixer.kernel_size
    q, keys, values = mixer.qkv(x).view(B, 3, N, C // N, H, W).unbind(1)

    def slid(part):
        part = part.flatten(0, 1)
        shift = torch.eye(k * k).double().view(1, k * k, 1, k, k).expand(C // N, -1, -1, -1, -1)
        fixed = F.conv2d(part, shift.flatten(0, 1), padding=k // 2, groups=C // N)
        return (fixed + mixer.learned(part)).view(B, N, C // N, k * k, H, W)

    keys, values = slid(keys) + mixer.position_bias[None, :, None, :, None, None], slid(values)
    rows = []
    for i in range(H):
        for j in range(W):
            offsets = [(y - k // 2, x - k // 2) for y in range(k) for x in range(k)]
            if mixer.border == "mask":
                t = [n for n, (y, x) in enumerate(offsets) if 0 <= i + y < H and 0 <= j + x < W]
            else:
                t = list(range(k * k))
            logits = torch.einsum("bnd,bndt->bnt", q[..., i, j], keys[..., t, i, j])
            weight = (logits * (C // N) ** -0.5).softmax(-1)
            rows.append(torch.einsum("bnt,bndt->bnd", weight, values[..., t, i, j]).flatten(1))
    return mixer.proj(torch.stack(rows, -1).view(B, C, H, W))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "border"), [(3, "mask"), (3, "official"), (5, "mask")])
def test_slide_by_pixels(size, kernel, border):
    mixer = randomize(SlideAttention(8, 2, 0, kernel_size=kernel, border=border)).double()

    def oracle(x):
        return slide_by_pixels(mixer, x)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


def test_slide_copies_no_square_of_keys():
    """Not even for the backward pass."""
    x = torch.randn(1, 32, 64, 64, requires_grad=True)
    copies = []

    def note(saved):
        copies.append(saved.untyped_storage().data_ptr())
        sizes[copies[-1]] = saved.untyped_storage().nbytes()
        return saved

    sizes = {}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        SlideAttention(32, 1, 0)(x)
    assert sum(sizes.values()) < 9 * x.nbytes


def test_slide_refuses():
    with pytest.raises(ValueError, match="kernel_size=2"):
        SlideAttention(8, 2, 0, kernel_size=2)
    with pytest.raises(ValueError, match="border=zero"):
        SlideAttention(8, 2, 0, border="zero")
