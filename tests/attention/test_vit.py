"""Patch attention against timm's, and a loop over tokens."""

import math

import pytest
import torch
import torch.nn.functional as F
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import attend, depthwise, linear, window
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Attention as TimmAttention
from torch.func import functional_call

from denoise.attention.vit import PatchAttention


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(4, 4), (8, 20), (24, 12)], ids=str)
def test_vit_is_timms_where_patches_fit(size, bias):
    embed = PatchEmbed(None, 4, 8, 8, dynamic_img_pad=True)
    parts = {"embed": embed, "attention": TimmAttention(8, 2, qkv_bias=bias)}
    official = randomize(torch.nn.ModuleDict(parts)).double()
    mixer = randomize(PatchAttention(8, 2, 0, patch_size=4, qkv_bias=bias)).double()
    attention, unpatch = official["attention"], mixer.unpatch
    H, W = size

    def theirs(x):
        out = F.linear(attention(official["embed"](x)), unpatch.weight, unpatch.bias)
        return F.pixel_shuffle(out.mT.unflatten(2, (H // 4, W // 4)), 4)

    def ours(x):
        weights = {name: torch.zeros_like(p) for name, p in mixer.position.named_parameters()}
        weights = {f"position.{name}": p for name, p in weights.items()}
        weights |= {f"patch.{name}": p for name, p in official["embed"].proj.named_parameters()}
        weights |= {f"qkv.{name}": p for name, p in attention.qkv.named_parameters()}
        weights["unpatch.weight"] = unpatch.weight @ attention.proj.weight
        weights["unpatch.bias"] = unpatch.weight @ attention.proj.bias + unpatch.bias
        return functional_call(mixer, weights, (x,))

    both = parameters(official) | {f"unpatch.{n}": p for n, p in unpatch.named_parameters()}
    assert_same((ours, both), (theirs, both), normal(2, 8, *size))


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("patch", [4, 5])
def test_vit_by_tokens(size, patch):
    mixer = randomize(PatchAttention(8, 2, 0, patch_size=patch)).double()
    H, W = size
    rows, columns = math.ceil(H / patch), math.ceil(W / patch)
    grid = [(a, b) for a in range(rows) for b in range(columns)]

    def oracle(x):
        weight = mixer.patch.weight.flatten(2)
        patches = [window(x, a * patch, b * patch, patch) for a, b in grid]
        tokens = [torch.einsum("ock,bck->bo", weight, p) + mixer.patch.bias for p in patches]
        tokens = torch.stack(tokens, -1).unflatten(2, (rows, columns))
        tokens = tokens + depthwise(mixer.position, tokens)
        q, k, v = linear(mixer.qkv, tokens.flatten(2)).chunk(3, dim=1)
        out = linear(mixer.unpatch, attend(q, k, v, 2)).view(2, 8, patch, patch, rows, columns)
        pixels = [
            out[:, :, i % patch, j % patch, i // patch, j // patch]
            for i in range(H)
            for j in range(W)
        ]
        return torch.stack(pixels, -1).view(x.shape)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))
