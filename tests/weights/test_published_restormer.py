"""Published weights of Restormer, against the implementation in deepinv."""

from itertools import product

import pytest
import torch
from deepinv.models.restormer import Restormer as Official
from harness import randomize
from hydra.utils import instantiate

from denoise.weights.load import load_model
from denoise.weights.read import CheckpointError

EVERYDAY = [
    ("BiasFree", False, 3, "params"),
    ("BiasFree", True, 1, "params_ema"),
    ("WithBias", False, 1, None),
    ("WithBias", True, 3, "params"),
]
PUBLISHED = [
    pytest.param(*case, marks=() if case in EVERYDAY else pytest.mark.slow)
    for case in product(
        ("BiasFree", "WithBias"), (False, True), (1, 3), ("params", "params_ema", None)
    )
]


@pytest.mark.parametrize(("kind", "bias", "channels", "wrap"), PUBLISHED)
def test_a_published_restormer_is_known_by_its_weights(tmp_path, kind, bias, channels, wrap):
    blocks, heads, factor = (1, 2, 1, 1), (1, 2, 2, 4), 2.2 if channels == 1 else 2.66
    sizes = (channels, channels, 8, blocks, 1, heads, factor, bias, kind)
    official = randomize(Official(*sizes, pretrained=None))
    with torch.no_grad():
        for parameter in official.parameters():
            parameter *= 0.4
    state = official.state_dict()
    torch.save({wrap: state} if wrap else state, tmp_path / "a.pth")
    net, found = load_model(tmp_path / "a.pth")
    assert found["channels"] == channels
    assert found["backbone"]["num_heads"] == list(heads)
    x = torch.rand(2, channels, 24, 40, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        expected = official.double()(x)
        assert expected.abs().max() < 100
        torch.testing.assert_close(net.double()(x), expected, rtol=0, atol=1e-10)
    again = instantiate(found["backbone"], _convert_="all")
    again.load_state_dict(net.state_dict())


def test_a_published_restormer_with_a_part_missing_is_named(tmp_path):
    state = Official(3, 3, 8, (1, 1, 1, 1), 1, pretrained=None).state_dict()
    for name in ("latent.0.attn.temperature", "refinement.0.norm1.body.weight"):
        torch.save({"params": {k: v for k, v in state.items() if k != name}}, tmp_path / "a.pth")
        with pytest.raises(CheckpointError, match=r"a\.pth: .*(temperature|norm1).*"):
            load_model(tmp_path / "a.pth")
    dual = state | {"skip_conv.weight": torch.zeros(16, 8, 1, 1)}
    torch.save({"params": dual}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"skip_conv\.weight is missing in the config"):
        load_model(tmp_path / "a.pth")
