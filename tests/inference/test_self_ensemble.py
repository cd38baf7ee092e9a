"""The mean over the eight flips and rotations, of the whole image and in exact tiles."""

import pytest
import torch
import torch.nn.functional as F
from harness import make, randomize

from denoise.inference.self_ensemble import DIHEDRALS, SelfEnsemble, restore_ensembled
from denoise.inference.tile_grid import Box
from denoise.inference.tiling import exact_tiles_of, join, restore_tiled, tile_constraints

TWO = (
    "backbone.dim=8", "backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]",
    "backbone.num_refinement_blocks=0",
)  # fmt: skip


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(4)).double()


def backbone(*words):
    return randomize(make("backbone", *TWO, *words)).double().eval()

    net = backbone("attention=none", "backbone.sigma_map=true")
    x, sigma = image(2, 3, 13, 18), torch.tensor([10.0, 50.0])
    turned = [
        net(x.rot90(k, (2, 3)).flip(flip), sigma).flip(flip).rot90(-k, (2, 3))
        for k in range(4)
        for flip in ((), (3,))
    ]
    torch.testing.assert_close(SelfEnsemble(net)(x, sigma), sum(turned) / 8)


def test_leaves_an_equivariant_net_alone():
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double().expand(3, 1, 3, 3)
    x = image(1, 3, 9, 14)
    net = lambda x, sigma: F.conv2d(x, kernel, padding=1, groups=3)  # noqa: E731
    torch.testing.assert_close(SelfEnsemble(net)(x), net(x, None), rtol=0, atol=1e-12)


def test_transforms_and_boxes_go_back():
    x = image(1, 1, 5, 8)
    box = Box(1, 4, 2, 8)
    for dihedral in DIHEDRALS:
        assert torch.equal(dihedral.back(dihedral(x)), x)
        there = dihedral.box(box, (5, 8))
        assert dihedral.box_back(there, (5, 8)) == box
        part = dihedral(x)[..., there.top : there.bottom, there.left : there.right]
        assert torch.equal(dihedral.back(part), x[..., 1:4, 2:8])


@pytest.mark.parametrize("name", ["swin", "neighborhood"])
def test_in_tiles_is_that_of_the_whole(name):
    """A window or a pixel's pair of a turned tile is another: tiles are cut once turned."""
    size = {"swin": "attention.window_size=2", "neighborhood": "attention.kernel_size=3"}
    net = backbone(f"attention={name}", size[name], "feedforward=mlp")
    limits = tile_constraints(net)
    side = 2 * limits.halo + 4 * limits.step
    x = image(1, 3, side + 11, 9)
    with torch.no_grad():
        whole = SelfEnsemble(net)(x)
    tiles = exact_tiles_of(net, *x.shape[2:], side, mirrored=True)
    assert len(tiles) >= 2
    out = join(restore_ensembled(net, x, None, tiles, limits), torch.full_like(x, torch.nan))
    assert (out - whole).abs().max() <= 1e-10 * whole.abs().max()
    within = join(restore_tiled(SelfEnsemble(net), x, None, tiles), torch.zeros_like(x))
    assert (within - whole).abs().max() > 1e-3 * whole.abs().max()
