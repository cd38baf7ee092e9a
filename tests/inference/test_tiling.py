"""Tiles against the whole image: exact by receptive field, blended otherwise."""

import pytest
import torch
import torch.nn.functional as F
from harness import make, options, randomize

from denoise.inference.tile_grid import (
    Box,
    Tile,
    TileConstraints,
    exact_input,
    exact_tiles,
    overlapping_tiles,
)
from denoise.inference.tiling import (
    exact_tiles_of,
    join,
    measure_overlap,
    read,
    restore_tile,
    restore_tiled,
    seam_energy,
    tile_constraints,
)
from denoise.layers.padding import pad_to_multiple

TWO = (
    "backbone.dim=8", "backbone.num_blocks=[2,2]", "backbone.num_heads=[1,2]",
    "backbone.num_refinement_blocks=1",
)  # fmt: skip
FOUR = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "backbone.num_refinement_blocks=1")
MIX = ["attention=per_level"] + [
    f"attention@attention.level{level}={name}"
    for level, name in enumerate(("none", "neighborhood", "lka", "swin"), 1)
]
ONE = ("feedforward=mlp", "backbone.num_blocks=[1,1]")
ANYWHERE = TileConstraints(1, 1, None, 1, 1)


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(4)).double()


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def backbone(*words):
    return randomize(make("backbone", *words)).double().eval()


def side_and_length(net):
    """Return a side of tiles that exceeds twice the halo, and a length that takes three."""
    limits = tile_constraints(net)
    side = 2 * limits.halo + 4 * limits.step
    return side, 2 * (side - limits.halo) + limits.step + 5


def assert_tiles_give_the_whole(net, height=None, width=None, sigma=None, tolerance=1e-10):
    side, length = side_and_length(net)
    size = height or length, width or length
    x = image(1, 3, *size).to(next(net.parameters()))
    with torch.no_grad():
        whole = net(x, sigma)
    tiles = exact_tiles_of(net, *size, side)
    assert len(tiles) >= (9 if height == width else 3)
    out = join(restore_tiled(net, x, sigma, tiles), torch.full_like(x, torch.nan))
    assert (out - whole).abs().max() <= tolerance * whole.abs().max()


class TestExact:
    @pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
    @pytest.mark.parametrize("name", [*map(slow, options("attention")), "mix"])
    def test_four_levels(self, name, axis):
        words = MIX if name == "mix" else [f"attention={name}"]
        net = backbone(*FOUR, "feedforward=mlp", *words)
        if net.receptive_field is None:
            return
        assert_tiles_give_the_whole(net, *((5, None) if axis else (None, 5)))

    @pytest.mark.parametrize(
        ("norm", "downsample"),
        [slow("layernorm", "pixel_unshuffle"), ("dyt", "patch_merging")],
    )
    @pytest.mark.parametrize(
        "words",
        [
            ["attention=swin", "attention.window_size=2"],
            [
                "attention=neighborhood", "attention.kernel_size=3", "attention.dilation=[1,2]",
                "feedforward=mlp",
            ],
            ["attention=mdta", "attention.window=2", *ONE],
            slow(["attention=none", "feedforward=gsau"]),
        ],
        ids=lambda words: words[0] if isinstance(words, list) else None,
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
            limits = tile_constraints(net)
            first = limits.halo + 8 - limits.halo % 8
            span = exact_input(first, first + 8, 120, limits)
            output, least = Box(first, first + 8, 0, 6), Box(*span, 0, 6)
            with torch.no_grad():
                whole = net(x)[..., first : first + 8, :]
            for tile, same in (
                (Tile(output, least), True),
                (Tile(output, Box(*(a + b for a, b in zip(least, worse, strict=True)))), False),
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

        tiles = exact_tiles_of(net, 95, 61, 64)
        out = torch.zeros_like(pixels)
        for top, left, piece in restore_tiled(net, crop, None, tiles):
            h, w = piece.shape[-2:]
            out[..., top : top + h, left : left + w] = (255 * piece).clamp(0, 255).round()
        assert max(max(sides) for sides in asked) <= 64
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
    @pytest.mark.parametrize("size", [(5, 9), (97, 131)], ids=str)
    @pytest.mark.parametrize("overlap", [0, 16, 20])
    def test_weights_are_one_in_sum_and_pixels_come_once(self, size, overlap):
        x = image(2, 3, *size)
        tiles = overlapping_tiles(*size, 40, overlap, TileConstraints(4, 8, None, 4, 1))
        seen = torch.zeros(size)
        for top, left, piece in restore_tiled(lambda x, sigma: x, x, None, tiles):
            h, w = piece.shape[-2:]
            seen[top : top + h, left : left + w] += 1
            torch.testing.assert_close(piece, x[..., top : top + h, left : left + w])
        assert (seen == 1).all()

    def test_overlap_is_measured_on_the_image(self):
        """Of a blur by 41 pixels a tile knows a part within 20 pixels of its border."""
        kernel = torch.ones(1, 1, 1, 41).double() / 41

        def blur(x, sigma):
            return F.conv2d(x, kernel, padding=(0, 20))

        x, size = image(1, 1, 8, 4000), (8, 4000)
        # The middle half of 64 pixels begins 16 from a border, that of 128 pixels 32.
        assert measure_overlap(blur, x, None, size, 512, ANYWHERE) == (
            128,
            pytest.approx(0, abs=1e-9),
        )
        overlap, deviation = measure_overlap(blur, x, None, size, 200, ANYWHERE)
        assert overlap == 64
        assert deviation > 1
        assert measure_overlap(blur, x, None, size, 4000, ANYWHERE) == (16, 0.0)

    def test_global_statistics_are_approximated(self):
        net = backbone(*TWO, "attention=mdta")
        x = image(1, 3, 70, 101)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter *= 0.3  # about the size of trained ones
            whole = net(x)
        limits = tile_constraints(net)
        overlap, deviation = measure_overlap(net, x, None, (70, 101), 48, limits)
        tiles = overlapping_tiles(70, 101, 48, overlap, limits)
        out = join(restore_tiled(net, x, None, tiles), torch.full_like(x, torch.nan))
        assert 1e-9 < (out - whole).abs().max() < 0.1
        assert overlap in (16, 24, 32)
        assert deviation > 0


def test_seams_show_where_tiles_are_cut_without_a_halo():
    x = F.interpolate(image(1, 1, 6, 6), (90, 101), mode="bicubic")
    kernel = torch.ones(1, 1, 5, 5).double() / 25

    def blur(x, sigma):
        return F.conv2d(x, kernel, padding=2)

    exact = exact_tiles(90, 101, 42, ANYWHERE._replace(halo=2))
    out = join(restore_tiled(blur, x, None, exact), torch.zeros_like(x))
    whole = blur(x, None)
    assert seam_energy(out, exact) == pytest.approx(seam_energy(whole, exact), rel=1e-9)
    assert seam_energy(whole, exact) == pytest.approx(1, abs=0.1)
    naive = [Tile(tile.output, tile.output) for tile in exact]
    out = join(restore_tiled(blur, x, None, naive), torch.zeros_like(x))
    assert seam_energy(out, naive) > 3


class TestRefusal:
    @pytest.mark.parametrize("name", ["mdta", "per_level"])
    def test_names_the_global_layers(self, name):
        net = make("backbone", *FOUR, f"attention={name}")
        with pytest.raises(ValueError, match=r"no tile gives .* with encoder\.\d\.0\.mixer"):
            exact_tiles_of(net, 100, 100, 64)
        assert len(exact_tiles_of(net, 100, 100, 104)) == 1

    def test_names_the_widest_layer_and_the_size_that_is_enough(self):
        net = make("backbone", *FOUR, "attention=lka")
        with pytest.raises(
            ValueError, match=r"need \d+ px .* for encoder\.3\.0\.mixer \(LargeK"
        ) as error:
            exact_tiles_of(net, 9000, 9000, 400)
        enough = int(str(error.value).split("give ")[1].split(" px")[0])
        assert exact_tiles_of(net, 9000, 9000, enough)
