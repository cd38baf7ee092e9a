"""Deformable attention against a package of other authors, and a loop over pixels."""

import importlib
import math
import warnings
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import attend, depthwise, layer_norm, linear
from torch.func import functional_call

from denoise.attention.dat import DeformableAttention


@pytest.fixture
def float64():
    """Constants without a dtype, such as DAT's range of offsets, are made in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(("stride", "stage"), [(8, 0), (4, 2)])
def test_dat_is_its_first_version_read_by_pixels(size, stride, stage, monkeypatch):
    """The published places are fractions of the image; read as such they lie inside it."""
    pytest.importorskip("fightingcv_attention")
    with warnings.catch_warnings(action="ignore"):
        module = importlib.import_module("fightingcv_attention.attention.DAT")

    def read(input, grid, mode, align_corners):
        return F.grid_sample(input, grid, mode, "border", align_corners=False)

    monkeypatch.setattr(module, "F", SimpleNamespace(softmax=F.softmax, grid_sample=read))
    official = module.DAttentionBaseline(
        size, size, 2, 4, 2, 0.0, 0.0, stride, 2, True, True, False, False, stage
    )
    randomize(official).double()
    mixer = DeformableAttention(
        8, 2, 0, stride=stride, groups=2, offset_kernel=official.conv_offset[0].kernel_size[0]
    ).double()

    def ours(x):
        pairs = {
            "q": official.proj_q,
            "proj": official.proj_out,
            "position": official.rpe_table,
            "offset_conv": official.conv_offset[0],
            "offset_norm": official.conv_offset[1].norm,
        }
        weights = {
            f"{name}.{kind}": parameter.view(getattr(mixer, name).get_parameter(kind).shape)
            for name, layer in pairs.items()
            for kind, parameter in layer.named_parameters()
        }
        kv = (official.proj_k, official.proj_v)
        weights["kv.weight"] = torch.cat([layer.weight for layer in kv])[..., 0, 0]
        weights["kv.bias"] = torch.cat([layer.bias for layer in kv])
        # Theirs are rows, then columns.
        weights["offset_proj.weight"] = official.conv_offset[3].weight[..., 0, 0].flip(0)
        return functional_call(mixer, weights, (x,))

    theirs = parameters(official)
    assert_same((ours, theirs), (lambda x: official(x)[0], theirs), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize(
    ("stride", "groups", "offset_range", "kernel"), [(8, 1, 2, 9), (3, 2, 5, 3), (5, 4, 0.5, 7)]
)
def test_dat_by_pixels(size, stride, groups, offset_range, kernel):
    mixer = DeformableAttention(
        8, 2, 0, stride=stride, groups=groups, offset_range=offset_range, offset_kernel=kernel
    )
    randomize(mixer).double()
    H, W = size
    rows, columns = math.ceil(H / stride), math.ceil(W / stride)

    def bilinear(x, y, z):
        """Read (C, H, W) at row y, column z."""
        y, z = y.clamp(0, H - 1), z.clamp(0, W - 1)
        top, left = int(y.floor()), int(z.floor())
        bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
        y, z = y - top, z - left
        above = x[:, top, left] * (1 - z) + x[:, top, right] * z
        below = x[:, bottom, left] * (1 - z) + x[:, bottom, right] * z
        return above * (1 - y) + below * y

    def read(x, q):
        """What the keys of one group read: (B, C / groups, T)."""
        hidden = depthwise(mixer.offset_conv, q)[:, :, ::stride, ::stride]
        keys = []
        for a, b in ((a, b) for a in range(rows) for b in range(columns)):
            offset = F.gelu(layer_norm(mixer.offset_norm, hidden[:, :, a, b]))
            z, y = (linear(mixer.offset_proj, offset).tanh() * offset_range / 2).unbind(1)
            # Pixel p has its centre at p + 1/2.
            y = (a + 0.5 + y) * H / rows - 0.5
            z = (b + 0.5 + z) * W / columns - 0.5
            keys.append(torch.stack(list(map(bilinear, x, y, z))))
        return torch.stack(keys, -1)

    def oracle(x):
        q = linear(mixer.q, x)
        keys = torch.cat(list(map(read, x.chunk(groups, 1), q.chunk(groups, 1))), 1)
        k, v = linear(mixer.kv, keys).chunk(2, dim=1)
        out = attend(q.flatten(2), k, v, 2)
        return linear(mixer.proj, out.view(x.shape) + depthwise(mixer.position, q))

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))


@pytest.mark.parametrize("words", [{"groups": 3}, {"offset_kernel": 4}])
def test_dat_refuses_what_does_not_fit(words):
    ((name, value),) = words.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        DeformableAttention(8, 2, 0, **words)
