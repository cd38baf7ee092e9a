"""Parameters in groups by role, for optimizers that treat them apart."""

from typing import Any

from torch import nn


def parameter_groups(net: nn.Module) -> list[dict[str, Any]]:
    """Group the trainable parameters of a network by role; vectors have no weight decay.

    The roles are Muon's (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon):
    `hidden` are the weights of convolutions and linear layers that mix channels, except for the
    network's first and last; `other` are those two, depthwise convolutions and tables such as
    position biases; `vector` are biases, norms' weights and scalars.

    Returns:
        Dicts of `role` and `params`; vectors' also of `weight_decay`, 0. Kinds without parameters
        are left out.
    """
    layers = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))]
    mixing = {
        layer.weight
        for layer in layers[1:-1]
        if isinstance(layer, nn.Linear) or layer.groups < layer.in_channels or layer.groups == 1
    }
    groups: dict[str, list[nn.Parameter]] = {"hidden": [], "other": [], "vector": []}
    for parameter in net.parameters():
        if parameter.requires_grad:
            role = "vector" if parameter.ndim < 2 else "hidden" if parameter in mixing else "other"
            groups[role].append(parameter)
    return [
        {"role": role, "params": parameters} | ({"weight_decay": 0.0} if role == "vector" else {})
        for role, parameters in groups.items()
        if parameters
    ]
