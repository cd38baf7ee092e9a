import pytest
import torch
from harness import make
from torch import nn

from denoise.training.parameter_groups import parameter_groups


def roles(net):
    named = {parameter: name for name, parameter in net.named_parameters()}
    return {group["role"]: {named[p] for p in group["params"]} for group in parameter_groups(net)}


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 3)
        self.norm = nn.LayerNorm(8)
        self.mix, self.grouped = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=2)
        self.depthwise, self.linear = nn.Conv2d(8, 8, 3, groups=8), nn.Linear(8, 8, bias=False)
        self.table = nn.Parameter(torch.zeros(4, 5))
        self.frozen = nn.Parameter(torch.zeros(4, 5), requires_grad=False)
        self.output = nn.Conv2d(8, 3, 3)


def test_kinds():
    assert roles(Small()) == {
        "hidden": {"mix.weight", "grouped.weight", "linear.weight"},
        "other": {"embed.weight", "output.weight", "depthwise.weight", "table"},
        "vector": {
            f"{name}.bias" for name in ("embed", "norm", "mix", "grouped", "depthwise", "output")
        }
        | {"norm.weight"},
    }


def test_only_vectors_are_without_weight_decay():
    decay = {group["role"]: group.get("weight_decay") for group in parameter_groups(Small())}
    assert decay == {"hidden": None, "other": None, "vector": 0.0}


@pytest.mark.parametrize("attention", ["swin", "neighborhood", "cswin", "acmix"])
def test_every_parameter_is_in_one_group(attention):
    net = make("backbone", f"attention={attention}", "backbone.dim=8")
    grouped = [p for group in parameter_groups(net) for p in group["params"]]
    assert len(grouped) == len(set(grouped)) == len(list(net.parameters()))
    assert all(p.ndim > 1 for p in parameter_groups(net)[0]["params"])


def test_a_net_without_hidden_weights():
    assert list(roles(nn.Conv2d(3, 3, 3))) == ["other", "vector"]
