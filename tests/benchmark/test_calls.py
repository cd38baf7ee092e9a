"""The calls that are measured."""

import torch
from harness import make

from denoise.benchmark.calls import Bfloat16Autocast, image, inference, training


def test_calls_run_forward_and_backward():
    mixer = make("attention", "attention=mdta")(48, 2, 1).eval()
    x = image(8)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert inference(mixer, x)().shape == x.shape
    assert not inference(mixer, x)().requires_grad
    training(mixer, x)()
    assert all(p.grad is not None for p in mixer.parameters())
    assert Bfloat16Autocast(mixer)(x).dtype == torch.bfloat16
