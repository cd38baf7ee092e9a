"""A mixer of its own for each level, the finest first."""

from harness import make

from denoise.attention.mdta import MDTA
from denoise.attention.per_level import per_level
from denoise.attention.swin import ShiftedWindowAttention


def test_per_level_keeps_the_order():
    assert per_level(MDTA, ShiftedWindowAttention, MDTA, MDTA) == [
        MDTA, ShiftedWindowAttention, MDTA, MDTA
    ]  # fmt: skip


def test_each_level_of_the_net_has_its_own():
    net = make(
        "backbone", "backbone=tiny", "attention=per_level",
        "attention@attention.level1=swin", "attention@attention.level4=mdta",
    )  # fmt: skip
    assert isinstance(net.encoder[0][0].mixer, ShiftedWindowAttention)
    assert isinstance(net.encoder[3][0].mixer, MDTA)
