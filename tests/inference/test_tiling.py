"""Tiles against the whole image: exact by reach, blended otherwise, and ensembles of both."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from harness import make, options, randomize

from denoise.inference.self_ensemble import TURNS, SelfEnsemble, restore_ensembled
from denoise.inference.tile_grid import Axis, Box, Tile, halo, plan, plan_blended, plan_for
from denoise.inference.tiling import (
    join,
    measure_overlap,
    read,
    restore_tile,
    restore_tiled,
    seam_energy,
)
from denoise.layers.padding import pad_to_multiple
from denoise.receptive_field import Radius

TWO = (
    "backbone.dim=8", "backbone.num_blocks=[2,2]", "backbone.num_heads=[1,2]",
    "backbone.num_refinement_blocks=1",
)  # fmt: skip
FOUR = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "backbone.num_refinement_blocks=1")
MIX = ["attention=per_level"] + [
    f"attention@attention.level{level}={name}"
    for level, name in enumerate(("none", "neighborhood", "lka", "swin"), 1)
]


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(4)).double()


def backbone(*words):
    return randomize(make("backbone", *words)).double().eval()


def side_and_length(net):
    """A side of tiles that exceeds twice the halo, and a length that takes three."""
    around, alignment = halo(net.receptive_field), net.receptive_field.alignment
    side = 2 * around + 2 * alignment + 16
    side -= side % net.size_multiple
    return side, 2 * (side - around) + alignment + 5


def assert_tiles_give_the_whole(net, height=None, width=None, sigma=None, tolerance=1e-10):
    side, length = side_and_length(net)
    size = height or length, width or length
    x = image(1, 3, *size).to(next(net.parameters()))
    with torch.no_grad():
        whole = net(x, sigma)
    tiles = plan_for(net, *size, side)
    assert len(tiles) >= (9 if height == width else 3)
    out = join(restore_tiled(net, x, sigma, tiles), torch.full_like(x, torch.nan))
    assert (out - whole).abs().max() <= tolerance * whole.abs().max()


class TestExact:
    @pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
    @pytest.mark.parametrize("name", [*options("attention"), "mix"])
    def test_four_levels(self, name, axis):
        words = MIX if name == "mix" else [f"attention={name}"]
        net = backbone(*FOUR, "feedforward=mlp", *words)
        if net.receptive_field is None:
            return
        assert_tiles_give_the_whole(net, *((5, None) if axis else (None, 5)))

    @pytest.mark.parametrize(
        ("norm", "downsample"), [("layernorm", "pixel_unshuffle"), ("dyt", "patch_merging")]
    )
    @pytest.mark.parametrize(
        "words",
        [
            ["attention=swin", "attention.window_size=2"],
            [
                "attention=neighborhood", "attention.kernel_size=3", "attention.dilation=[1,2]",
                "feedforward=mlp",
            ],
            ["attention=mdta", "attention.window=2", "feedforward=mlp"],
            ["attention=none", "feedforward=gsau"],
        ],
        ids=lambda words: words[0],
    )  # fmt: skip
    def test_both_axes(self, words, norm, downsample):
        net = backbone(*TWO, *words, f"norm={norm}", f"backbone.downsample={downsample}")
        assert_tiles_give_the_whole(net)

    def test_single_precision(self):
        net = backbone(*TWO, "attention=swin", "attention.window_size=4").float()
        assert_tiles_give_the_whole(net, tolerance=1e-5)

    def test_noise_level_map(self):
        net = backbone(*TWO, "attention=none", "backbone.sigma_map=true")
        assert_tiles_give_the_whole(net, width=9, sigma=torch.tensor([25.0]))

    def test_less_or_misaligned_input_gives_something_else(self):
        for words, worse in (
            (["attention=swin", "attention.window_size=4"], Box(-2, 0, 0, 0)),
            (["attention=none"], Box(2, 0, 0, 0)),
        ):
            net = backbone(*TWO, *words)
            x = image(1, 3, 120, 6)
            first = halo(net.receptive_field) + 8 - halo(net.receptive_field) % 8
            span = Axis(120, net.receptive_field, net.size_multiple).span(first, first + 8)
            output, min_size = Box(first, first + 8, 0, 6), Box(*span, 0, 6)
            with torch.no_grad():
                whole = net(x)[..., first : first + 8, :]
            for tile, same in (
                (Tile(output, min_size), True),
                (Tile(output, Box(*(a + b for a, b in zip(min_size, worse, strict=True)))), False),
            ):
                part = restore_tile(net, x, None, (120, 6), tile)
                error = (part - whole).abs().max() / whole.abs().max()
                assert (error < 1e-12) == same

    def test_photographs_are_read_and_written_by_pieces(self):
        net = backbone(*TWO, "attention=none")
        pixels = (255 * image(1, 3, 95, 61)).to(torch.uint8)
        asked = []

        def crop(top, bottom, left, right):
            asked.append((bottom - top, right - left))
            return pixels[..., top:bottom, left:right].double() / 255

        tiles = plan_for(net, 95, 61, 48)
        out = torch.zeros_like(pixels)
        for top, left, piece in restore_tiled(net, crop, None, tiles):
            h, w = piece.shape[-2:]
            out[..., top : top + h, left : left + w] = (255 * piece).clamp(0, 255).round()
        assert max(max(sides) for sides in asked) <= 48
        with torch.no_grad():
            whole = (255 * net(pixels.double() / 255)).clamp(0, 255).round()
        assert (out.double() - whole).abs().max() == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 7), (16, 8)], ids=str)
def test_reads_beyond_the_image_as_the_backbone_pads(size):
    x = image(1, 3, *size)
    padded = pad_to_multiple(x, 8)
    H, W = padded.shape[2:]
    for box in (Box(0, H, 0, W), Box(H - 8, H, W - 8, W), Box(H // 2, H, 0, W // 2)):
        expected = padded[..., box.top : box.bottom, box.left : box.right]
        assert torch.equal(read(x, box, size), expected)


class TestBlended:
    @pytest.mark.parametrize("size", [(5, 9), (40, 200), (97, 131)], ids=str)
    @pytest.mark.parametrize("overlap", [0, 5, 16, 20])
    def test_weights_are_one_in_sum_and_pixels_come_once(self, size, overlap):
        x = image(2, 3, *size)
        tiles = plan_blended(*size, 40, overlap, 4, 8)
        seen = torch.zeros(size)
        for top, left, piece in restore_tiled(lambda x, sigma: x, x, None, tiles):
            h, w = piece.shape[-2:]
            seen[top : top + h, left : left + w] += 1
            torch.testing.assert_close(piece, x[..., top : top + h, left : left + w])
        assert (seen == 1).all()
        assert all(max(b - a, d - c) <= 40 for (a, b, c, d), _ in tiles)
        for axis in (0, 2):
            spans = sorted({tile.output[axis : axis + 2] for tile in tiles})
            assert all(a[1] - b[0] >= overlap for a, b in pairwise(spans))

    def test_overlap_is_measured_on_the_image(self):
        """Of a blur by 41 pixels a tile knows a part within 20 pixels of its border."""
        kernel = torch.ones(1, 1, 1, 41).double() / 41

        def blur(x, sigma):
            return F.conv2d(x, kernel, padding=(0, 20))

        x, size = image(1, 1, 8, 4000), (8, 4000)
        # The middle half of 64 pixels begins 16 from a border, that of 128 pixels 32.
        assert measure_overlap(blur, x, None, size, 512, 1, 1) == (128, pytest.approx(0, abs=1e-9))
        overlap, deviation = measure_overlap(blur, x, None, size, 200, 1, 1)
        assert overlap == 64
        assert deviation > 1
        assert measure_overlap(blur, x, None, size, 4000, 1, 1) == (16, 0.0)

    def test_global_statistics_are_approximated(self):
        net = backbone(*TWO, "attention=mdta")
        x = image(1, 3, 70, 101)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter *= 0.3  # about the size of trained ones
            whole = net(x)
        overlap, deviation = measure_overlap(
            net, x, None, (70, 101), 48, net.size_multiple, net.alignment
        )
        tiles = plan_blended(70, 101, 48, overlap, net.size_multiple, net.alignment)
        out = join(restore_tiled(net, x, None, tiles), torch.full_like(x, torch.nan))
        assert 1e-9 < (out - whole).abs().max() < 0.1
        assert overlap in (16, 24, 32)
        assert deviation > 0

    def test_overlap_leaves_something(self):
        with pytest.raises(ValueError, match="overlap=40 leaves nothing of tiles of 40 px"):
            plan_blended(100, 100, 47, 40, 4, 8)


def test_seams_show_where_tiles_are_cut_without_a_halo():
    x = F.interpolate(image(1, 1, 6, 6), (90, 101), mode="bicubic")
    kernel = torch.ones(1, 1, 5, 5).double() / 25

    def blur(x, sigma):
        return F.conv2d(x, kernel, padding=2)

    exact = plan(90, 101, 40, Radius(2), 1)
    out = join(restore_tiled(blur, x, None, exact), torch.zeros_like(x))
    whole = blur(x, None)
    assert seam_energy(out, exact) == pytest.approx(seam_energy(whole, exact), rel=1e-9)
    assert seam_energy(whole, exact) == pytest.approx(1, abs=0.1)
    naive = [Tile(tile.output, tile.output) for tile in exact]
    out = join(restore_tiled(blur, x, None, naive), torch.zeros_like(x))
    assert seam_energy(out, naive) > 3


class TestEnsemble:
    def test_is_the_mean_over_flips_and_rotations(self):
        net = backbone(*TWO, "attention=none", "backbone.sigma_map=true")
        x, sigma = image(2, 3, 13, 18), torch.tensor([10.0, 50.0])
        turned = [
            net(x.rot90(k, (2, 3)).flip(flip), sigma).flip(flip).rot90(-k, (2, 3))
            for k in range(4)
            for flip in ((), (3,))
        ]
        torch.testing.assert_close(SelfEnsemble(net)(x, sigma), sum(turned) / 8)

    def test_leaves_an_equivariant_net_alone(self):
        kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double().expand(3, 1, 3, 3)
        x = image(1, 3, 9, 14)
        net = lambda x, sigma: F.conv2d(x, kernel, padding=1, groups=3)  # noqa: E731
        torch.testing.assert_close(SelfEnsemble(net)(x), net(x, None), rtol=0, atol=1e-12)

    def test_turns_and_boxes_go_back(self):
        x = image(1, 1, 5, 8)
        box = Box(1, 4, 2, 8)
        for turn in TURNS:
            assert torch.equal(turn.back(turn(x)), x)
            there = turn.box(box, (5, 8))
            assert turn.box_back(there, (5, 8)) == box
            part = turn(x)[..., there.top : there.bottom, there.left : there.right]
            assert torch.equal(turn.back(part), x[..., 1:4, 2:8])

    @pytest.mark.parametrize("name", ["swin", "neighborhood"])
    def test_in_tiles_is_that_of_the_whole(self, name):
        """A window or a pixel's pair of a turned tile is another: tiles are cut once turned."""
        size = {"swin": "attention.window_size=2", "neighborhood": "attention.kernel_size=3"}
        words = ["backbone.num_blocks=[1,1]", "backbone.num_refinement_blocks=0", "feedforward=mlp"]
        net = backbone(*TWO, f"attention={name}", size[name], *words)
        side, length = side_and_length(net)
        x = image(1, 3, length - 2, length + 1)
        with torch.no_grad():
            whole = SelfEnsemble(net)(x)
        tiles = plan_for(net, *x.shape[2:], side, mirrored=True)
        assert len(tiles) >= 4
        pieces = restore_ensembled(net, x, None, tiles, net.receptive_field, net.size_multiple)
        out = join(pieces, torch.full_like(x, torch.nan))
        assert (out - whole).abs().max() <= 1e-10 * whole.abs().max()
        within = join(restore_tiled(SelfEnsemble(net), x, None, tiles), torch.zeros_like(x))
        assert (within - whole).abs().max() > 1e-3 * whole.abs().max()
