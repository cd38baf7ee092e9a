"""The contract finds what is broken, and nothing where all is kept."""

import pytest
import torch
from harness import make
from torch import nn

from denoise.benchmark.contract import broken, try_contract
from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius


class Gate(Mixer):
    """Keeps every promise."""

    def __init__(self, dim, num_heads, block_index):
        super().__init__()
        self.gate = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)
        nn.init.zeros_(self.project_out.weight)
        self.properties = MixerProperties(
            family="gating", complexity="N", receptive_field=Radius(1), shift_period=1
        )

    def forward(self, x):
        return self.project_out(x * torch.sigmoid(self.gate(x)))


class Narrow(Gate):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.properties = MixerProperties(
            family="gating", complexity="N", receptive_field=Radius(0), shift_period=1
        )


class Meeting(Gate):
    def forward(self, x):
        return super().forward(x) + x.mean((0, 2, 3), keepdim=True)


class Idle(Gate):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.unused = nn.Parameter(torch.ones(1))


class Patches(Gate):
    def forward(self, x):
        return super().forward(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])


class Remembers(Gate):
    last = 0.0

    def forward(self, x):
        out = super().forward(x) + self.last
        self.last = float(x.mean())
        return out


class Closed(Gate):
    def forward(self, x):
        return super().forward(x) * float(x.shape[2] > 40 or x.mean() > 5)


class Double(Gate):
    def forward(self, x):
        return super().forward(x.float().double().to(x.dtype)).double()


class Loud(Gate):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        nn.init.ones_(self.project_out.weight)


class Silent(Gate):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        del self.properties


def fails(dim, num_heads, block_index):
    raise KeyError("no such window")


@pytest.mark.parametrize(
    ("factory", "promise"),
    [
        (Narrow, "it sees what its receptive field says"),
        (Meeting, "images of a batch do not meet"),
        (Idle, "every parameter learns"),
        (Patches, "any height and width"),
        (Remembers, "the same image gives the same"),
        (Closed, "it is exported with open sizes, or says not"),
        (Double, "float32 and bfloat16 as float64"),
        (Loud, "a fresh one is the identity of its block, or says not"),
        (Silent, "it states its properties"),
        (fails, "it is built"),
    ],
)
def test_what_is_broken_is_found(factory, promise):
    rows = try_contract(factory)
    assert promise in list(broken(rows))
    assert all("\n" not in row["found"] for row in rows)


@pytest.mark.parametrize("factory", [Gate, *(
    pytest.param(f"attention={name}", id=name)
    for name in ("none", "swin", "pvt", "dual", "neighborhood")
)])  # fmt: skip
def test_what_keeps_all_promises_passes(factory):
    made = make("attention", factory) if isinstance(factory, str) else factory
    rows = try_contract(made)
    assert list(broken(rows)) == []
    assert len(rows) == 12
