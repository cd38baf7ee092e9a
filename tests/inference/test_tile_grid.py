"""The reach of whole backbones, and where images are cut by it."""

import math
from itertools import combinations, pairwise

import pytest
import torch
from harness import make, options

from denoise.attention.mdta import OverlappingWindows
from denoise.backbone.restormer import Restormer
from denoise.feedforward import GDFN
from denoise.inference.tile_grid import Axis, halo, plan, plan_for
from denoise.norm import NoNorm
from denoise.properties import MixerProperties
from denoise.receptive_field import Compose, Downsampled, Neighborhood, Radius, Windows

FOUR = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "backbone.num_refinement_blocks=1")


class Stated(torch.nn.Module):
    def __init__(self, receptive_field):
        super().__init__()
        self.properties = MixerProperties(
            family="local", complexity="N", receptive_field=receptive_field, shift_period=1
        )


class TestReach:
    # The table was computed by another program and checked there on nets with random weights.
    @pytest.mark.parametrize(
        ("receptive_field", "expected"),
        [
            (lambda index: Radius(1), (320, 116, 22)),
            (lambda index: Neighborhood(7, 1), (616, 208, 38)),
            (lambda index: Neighborhood(7, (1, 4)[index % 2]), (1284, 415, 73)),
            (lambda index: Windows(8, 4 * (index % 2)), (609, 185, 41)),
            (lambda index: Windows(8), (1153, 369, 65)),
            (lambda index: Windows(8, 0, 2), (1155, 371, 67)),
            (lambda index: Radius(11), (1800, 576, 102)),
            (lambda index: Radius(19), (2984, 944, 166)),
        ],
        ids=["conv", "na", "na-dilated", "swin", "windows", "oca", "lka", "mlka"],
    )
    def test_halo_of_known_nets(self, receptive_field, expected):
        nets = ([4, 6, 6, 8], 4), ([2, 2, 2, 2], 2), ([2, 2], 0)
        for (blocks, refinement), pixels in zip(nets, expected, strict=True):
            with torch.device("meta"):
                net = Restormer(
                    lambda dim, heads, index: Stated(receptive_field(index)), NoNorm, GDFN,
                    in_channels=1, out_channels=1, dim=2, num_blocks=blocks,
                    num_heads=[1] * len(blocks), num_refinement_blocks=refinement,
                )  # fmt: skip
            assert halo(net.receptive_field) == pixels

    def test_alignment_is_that_of_the_lowest_windows(self):
        assert make("backbone", *FOUR, "attention=swin").receptive_field.alignment == 64
        assert make("backbone", *FOUR, "attention=neighborhood").receptive_field.alignment == 8
        assert make("backbone", *FOUR, "attention=swin").alignment == 64
        assert (
            make(
                "backbone", *FOUR, "attention=per_level", "attention@attention.level4=mdta"
            ).alignment
            == 32
        )

    def test_layers_in_the_way_are_named(self):
        net = make("backbone", *FOUR, "attention=per_level")
        assert net.receptive_field is None
        assert net.global_layers() == ["encoder.3.0.mixer (MDTA)"]

    @pytest.mark.parametrize("name", options("attention"))
    def test_one_mixer_without_a_reach_is_enough(self, name):
        net = make("backbone", *FOUR, f"attention={name}")
        stated = [
            block.mixer.properties.receptive_field
            for stage in net.encoder
            for block in stage
            if block.mixes
        ]
        assert (net.receptive_field is None) == (None in stated) == bool(net.global_layers())
        if net.receptive_field is None:
            with pytest.raises(ValueError, match=r"no tile gives .* with encoder\.\d\.0\.mixer"):
                plan_for(net, 100, 100, 64)
            assert len(plan_for(net, 100, 100, 104)) == 1

    def test_a_feedforward_that_states_nothing_is_in_the_way(self):
        net = make("backbone", *FOUR, "attention=none")
        net.encoder[1][0].feedforward = torch.nn.Identity()
        assert net.global_layers() == ["encoder.1.0.feedforward (Identity)"]


REACHES = {
    "convolutions": (Downsampled(Downsampled(Radius(3))), 4),
    "windows": (
        Compose([Radius(1), Downsampled(Compose([Windows(4), Windows(4, 2)])), Radius(1)]),
        2,
    ),
    "neighbours": (Compose([Neighborhood(3, 2), Downsampled(Neighborhood(3, 1))]), 2),
    "cells": (Compose([Radius(1), OverlappingWindows(8, 4)]), 1),
}


@pytest.mark.parametrize("name", REACHES)
class TestPlan:
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 64), (131, 97)], ids=str)
    def test_covers_once_by_aligned_inputs(self, name, size, mirrored):
        receptive_field, size_multiple = REACHES[name]
        padded = [length + -length % size_multiple for length in size]
        seen = torch.zeros(size)
        for output, given in plan(*size, 56, receptive_field, size_multiple, mirrored=mirrored):
            seen[output.top : output.bottom, output.left : output.right] += 1
            for d, length in ((0, padded[0]), (2, padded[1])):
                (first, end), (low, high) = output[d : d + 2], given[d : d + 2]
                input_range = receptive_field.input_range(first, end - 1, length)
                assert 0 <= low <= input_range[0] <= input_range[1] < high <= length
                assert low % math.lcm(size_multiple, receptive_field.alignment) == 0
                assert high % size_multiple == 0
                assert high - low <= 56
                assert high - low >= min(length, receptive_field.min_size)
        assert (seen == 1).all()

    @pytest.mark.parametrize("length", [63, 80])
    def test_no_other_cut_takes_less_work(self, name, length):
        receptive_field, size_multiple = REACHES[name]
        axis = Axis(length, receptive_field, size_multiple)

        def work(ends):
            spans = [axis.span(*pair) for pair in pairwise(ends)]
            sizes = [high - low for low, high in spans]
            return sum(sizes) if max(sizes) <= 44 else math.inf

        inner = range(8, length, 8)
        every = [c for n in range(len(inner) + 1) for c in combinations(inner, n)]
        assert work(axis.cut(44)) == min(work([0, *cuts, length]) for cuts in every)

    def test_refuses_tiles_that_the_halo_fills(self, name):
        receptive_field, size_multiple = REACHES[name]
        with pytest.raises(ValueError, match="too little output") as error:
            plan(200, 200, 2 * halo(receptive_field), receptive_field, size_multiple)
        enough = int(str(error.value).split("give ")[1].split(" px")[0])
        assert plan(200, 200, enough, receptive_field, size_multiple)


def test_refusal_names_the_widest_layer():
    net = make("backbone", *FOUR, "attention=lka")
    with pytest.raises(ValueError, match=r"need \d+ px .* for encoder\.3\.0\.mixer \(LargeK"):
        plan_for(net, 2000, 2000, 400)
