import math

import pytest
import torch
from harness import make
from torch import nn

from denoise.training.parameter_groups import parameter_groups


def step(net, optimizer, seed):
    torch.manual_seed(seed)
    gradients = [torch.randn_like(p) for p in net.parameters()]
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    return gradients


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3, bias=False), nn.Conv2d(16, 3, 3))


def test_muon_moves_hidden_weights_by_an_orthogonal_matrix():
    net = small_net()
    before = net[1].weight.detach().clone()
    optimizer = make("optimizer", "optimizer=muon", "optimizer.weight_decay=0")(
        parameter_groups(net)
    )
    step(net, optimizer, 1)
    # Moonlight's scale: 0.2 sqrt(largest side); singular values of Newton-Schulz are 0.7 to 1.2.
    update = (before - net[1].weight.detach()).flatten(1) / 4e-3
    values = torch.linalg.svdvals(update) / (0.2 * math.sqrt(8 * 9))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_muon_moves_all_others_as_torch_adamw():
    net, twin = small_net(), small_net()
    options = ("optimizer.adamw_lr=0.003", "optimizer.weight_decay=0.1")
    optimizer = make("optimizer", "optimizer=muon", *options)(parameter_groups(net))
    groups = [{key: g[key] for key in g if key != "role"} for g in parameter_groups(twin)]
    adamw = torch.optim.AdamW(groups, lr=0.003, betas=(0.9, 0.99), eps=1e-10, weight_decay=0.1)
    for seed in range(3):
        step(net, optimizer, seed)
        step(twin, adamw, seed)
    for name, parameter in net.named_parameters():
        if name != "1.weight":
            torch.testing.assert_close(parameter, twin.get_parameter(name), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("attention", ["mdta", "swin"])
def test_muon_trains_a_backbone(attention):
    torch.manual_seed(0)
    net = make("backbone", f"attention={attention}", "backbone.dim=8")
    optimizer = make("optimizer", "optimizer=muon")(parameter_groups(net))
    clean = torch.rand(2, 3, 16, 16)
    noisy = clean + 0.1 * torch.randn_like(clean)
    losses = []
    for _ in range(24):
        loss = (net(noisy) - clean).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
