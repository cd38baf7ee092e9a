"""Tiled attention computed band by band; its values are tested with the mechanisms."""

import pytest
from harness import assert_same, normal, parameters, randomize

from denoise.attention.neighborhood import NeighborhoodAttention
from denoise.attention.unfold import UnfoldAttention


@pytest.mark.parametrize("limit", ["LOGITS", "KEYS"])
@pytest.mark.parametrize("kind", [NeighborhoodAttention, UnfoldAttention])
def test_a_few_images_or_rows_at_a_time_give_what_all_give(kind, limit, monkeypatch):
    mixer = randomize(kind(8, 2, 0)).double()
    monkeypatch.setattr(f"denoise.layers.tiled_attention.{limit}", 1)

    def at_once(x):
        monkeypatch.undo()
        return mixer(x)

    few, whole = (mixer, parameters(mixer)), (at_once, parameters(mixer))
    assert_same(few, whole, normal(3, 8, 17, 26))
