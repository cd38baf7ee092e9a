"""Channel attention and gates against packages we did not write, or their formulas."""

import pytest
from conftest import assert_same, normal, parameters, randomize
from deepinv.models.restormer import Attention

from denoise.attention.mdta import MDTA


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_mdta_is_restormers(heads, bias):
    official = randomize(Attention(16, heads, bias)).double()
    mixer = MDTA(16, heads, 0, bias=bias).double()
    mixer.load_state_dict(official.state_dict())
    x = normal(2, 16, 9, 13)
    assert_same((mixer, parameters(mixer)), (official, parameters(official)), x)
