"""What computes neighbourhood attention elsewhere gives what the tiles give."""

import logging

import pytest
import torch
from harness import normal, randomize
from torch.nn.attention.flex_attention import flex_attention

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.layers import attention_backends as _backends

# Not compiled, which on a CPU takes longer than all the rest.
flex = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@flex
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 13), (17, 6)], ids=str)
@pytest.mark.parametrize(("kernel", "border"), [(7, "shift"), (3, "shift"), (5, "mask")])
def test_flex_is_tiles(size, kernel, border, monkeypatch):
    monkeypatch.setattr(_backends, "_compiled", lambda device: flex_attention)
    kernel = [min(kernel, length) if border == "shift" else kernel for length in size]
    qkv = normal(2, *size, 3, 2, 4)
    what = qkv, normal(2, 13, 13), tuple(kernel), border
    expected = _backends.tiled_attention(*what)
    torch.testing.assert_close(_backends.flex_attention_2d(*what), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("H", "W"), [(40, 50), (20, 100), (300, 7)])
def test_blocks_hold_all_neighbors(H, W):
    y, x = torch.arange(H * W) // W, torch.arange(H * W) % W
    first = [(p - 3).clamp(0, n - 7)[:, None] for p, n in ((y, H), (x, W))]
    visible = [(p >= f) & (p < f + 7) for p, f in zip((y, x), first, strict=True)]
    query, key = (visible[0] & visible[1]).nonzero().T // _backends.BLOCK
    held = _backends.blocks(H, W, 7, None, y.device).to_dense()[0, 0]
    assert held[query, key].all()
    assert held.float().mean() < 1


@flex
@pytest.mark.filterwarnings("ignore:return_lse is deprecated")
@pytest.mark.parametrize(("size", "dilation"), [((9, 13), 1), ((17, 15), 1), ((17, 23), 2)])
def test_natten_is_tiles(size, dilation):
    pytest.importorskip("natten")
    words = {"dilation": dilation, "position_bias": False}
    natten = randomize(NeighborhoodAttention(16, 2, 0, backend="natten", **words))
    tiles = NeighborhoodAttention(16, 2, 0, backend="tiles", **words)
    tiles.load_state_dict(natten.state_dict())
    x = normal(2, 16, *size).float() * 0.1
    with torch.no_grad():
        torch.testing.assert_close(natten(x), tiles(x), rtol=0, atol=5e-6)


def test_auto_tells_once_what_it_took(caplog, monkeypatch):
    _backends._log_backend.cache_clear()
    monkeypatch.setattr(_backends.log, "disabled", False)  # Hydra's quiet scripts turn it off
    mixer = NeighborhoodAttention(8, 2, 0)
    with caplog.at_level(logging.INFO):
        mixer(normal(1, 8, 9, 9).float())
        mixer(normal(1, 8, 9, 9).float())
    assert [r.getMessage() for r in caplog.records] == [
        "neighborhood attention on cpu: backend=tiles"
    ]


@pytest.mark.parametrize(
    ("words", "size", "message"),
    [
        ({"backend": "flex"}, (9, 9), "backend=flex needs heads of 16 channels or more, not 8"),
        ({"backend": "natten"}, (9, 9), "backend=natten has no position bias"),
        ({"backend": "natten", "position_bias": False}, (6, 9), "needs 7 pixels along an axis"),
        ({"backend": "natten", "position_bias": False}, (9, 9), "float64"),
    ],
)
def test_refuses_what_a_backend_cannot(words, size, message, monkeypatch):
    monkeypatch.setattr(_backends, "find_spec", lambda name: True)
    mixer, x = NeighborhoodAttention(16, 2, 0, **words), normal(1, 16, *size)
    if message != "float64":
        x = x.float()
    else:
        mixer.double()
    with torch.no_grad(), pytest.raises(ValueError, match=message):
        mixer(x)


def test_refuses_to_learn_without_a_backward_pass():
    with pytest.raises(ValueError, match="backend=flex has no backward pass on a CPU"):
        NeighborhoodAttention(16, 1, 0, backend="flex")(normal(1, 16, 9, 9).float())


def test_refuses_natten_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(_backends, "find_spec", lambda name: None)
    with torch.no_grad(), pytest.raises(ValueError, match="pip install natten"):
        NeighborhoodAttention(16, 1, 0, backend="natten")(normal(1, 16, 9, 9).float())


def test_refuses_an_unknown_backend():
    with pytest.raises(ValueError, match="backend=cuda is unknown: choose one of auto, tiles"):
        NeighborhoodAttention(16, 1, 0, backend="cuda")
