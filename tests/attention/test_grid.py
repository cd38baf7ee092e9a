"""Grid attention against timm's, and a loop over pixels."""

import pytest
from harness import ODD_SIZES, assert_same, normal, parameters, randomize
from oracles import assert_is, by_pixels
from timm.models.maxxvit import MaxxVitTransformerCfg, PartitionAttentionCl

from denoise.attention.grid import GridAttention


@pytest.mark.parametrize("size", [(8, 12), (4, 20)], ids=str)
def test_grid_is_timms_where_it_fits(size):
    cfg = MaxxVitTransformerCfg(dim_head=8, grid_size=(4, 4), rel_pos_type="bias")
    official = PartitionAttentionCl(16, "grid", cfg)
    mixer = GridAttention(16, 2, 0, grid_size=4)
    table = official.attn.rel_pos.relative_position_bias_table
    x = normal(2, 16, *size)
    assert_is(official, official._partition_attn, official.attn, lambda: table, mixer, x)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("grid", [8, 5, 2])
def test_grid_by_pixels(size, grid):
    mixer = randomize(GridAttention(8, 2, 0, grid_size=grid)).double()
    stride = [-(-length // grid) for length in size]

    def visible(place, length):
        step = -(-length // grid)
        return list(range(place % step, length, step))

    def oracle(x):
        bias = mixer.position_bias.T.view(2, 2 * grid - 1, 2 * grid - 1)

        def steps(dy, dx):
            return bias[:, grid - 1 - dy // stride[0], grid - 1 - dx // stride[1]]

        return by_pixels(mixer, x, visible, steps)

    assert_same((mixer, parameters(mixer)), (oracle, parameters(mixer)), normal(2, 8, *size))
