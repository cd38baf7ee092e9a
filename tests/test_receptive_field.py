"""Receptive fields of whole backbones, and the halos that follow from them."""

import pytest
import torch
from harness import make, options

from denoise.backbone.restormer import Restormer
from denoise.feedforward import GDFN
from denoise.norm import NoNorm
from denoise.properties import MixerProperties
from denoise.receptive_field import (
    Compose,
    Downsampled,
    Neighborhood,
    OverlappingWindows,
    Radius,
    Windows,
    halo,
    interior_halo,
)

FOUR = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "backbone.num_refinement_blocks=1")


class Stated(torch.nn.Module):
    def __init__(self, receptive_field):
        super().__init__()
        self.properties = MixerProperties(
            family="local", complexity="N", receptive_field=receptive_field, shift_period=1
        )


class TestBackbone:
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
            assert interior_halo(net.receptive_field) == pixels

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
    def test_one_mixer_without_a_receptive_field_is_enough(self, name):
        net = make("backbone", *FOUR, f"attention={name}")
        stated = [
            block.mixer.properties.receptive_field
            for stage in net.encoder
            for block in stage
            if block.mixes
        ]
        assert (net.receptive_field is None) == (None in stated) == bool(net.global_layers())

    def test_a_feedforward_that_states_nothing_is_in_the_way(self):
        net = make("backbone", *FOUR, "attention=none")
        net.encoder[1][0].feedforward = torch.nn.Identity()
        assert net.global_layers() == ["encoder.1.0.feedforward (Identity)"]


FIELDS = {
    "convolutions": (Downsampled(Downsampled(Radius(3))), 4),
    "windows": (
        Compose([Radius(1), Downsampled(Compose([Windows(4), Windows(4, 2)])), Radius(1)]),
        2,
    ),
    "neighbours": (Compose([Neighborhood(3, 2), Downsampled(Neighborhood(3, 1))]), 2),
    "cells": (Compose([Radius(1), OverlappingWindows(8, 4)]), 1),
}


@pytest.mark.parametrize("name", FIELDS)
def test_halo_is_the_most_that_any_aligned_cell_needs(name):
    field, multiple = FIELDS[name]
    step, needed = max(field.alignment, multiple), 0
    for length in range(multiple, 200, multiple):
        for first in range(0, length, step):
            end = min(first + step, length)
            low, last = field.input_range(first, end - 1, length)
            needed = max(needed, first - low, last + 1 - end)
    assert needed == halo(field, multiple) >= interior_halo(field)


def test_neighborhoods_reach_further_at_a_border():
    field = Neighborhood(7, 1)
    assert interior_halo(field) == 3
    assert halo(field, 1) == 6
