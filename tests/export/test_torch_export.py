"""Programs of torch.export and ONNX: every attention, any size, checked against the net."""

from dataclasses import replace

import pytest
import torch
from harness import make, options

from denoise.export.onnx import write_onnx
from denoise.export.torch_export import (
    ExportError,
    check,
    model_spec,
    smallest_size,
    trace,
    write_pt2,
)

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")


def small(attention):
    sizes = ("backbone.num_blocks=[1,1,1,1]",) if attention == "per_level" else TINY
    return make("backbone", "backbone.dim=8", *sizes, f"attention={attention}").eval()


@pytest.mark.parametrize("form", ["pt2", "onnx"])
@pytest.mark.parametrize(
    "attention", [pytest.param(name, marks=pytest.mark.slow) for name in options("attention")]
)
def test_every_attention_exports_or_says_why_not(attention, form, tmp_path):
    torch.manual_seed(0)
    net = small(attention)
    for parameter in net.parameters():
        if not parameter.any():  # what starts at zero would hide what lies before it
            torch.nn.init.normal_(parameter, std=0.1)
    try:
        program = trace(net, 3)
    except ExportError:
        if any(m.properties.export for m in net.modules() if hasattr(m, "properties")):
            return
        raise
    spec = model_spec(net, 3, 3, smallest_size(program, net, 3))
    assert spec.tiling.smallest <= 64
    path = tmp_path / f"model.{form}"
    run = write_pt2(program, path) if form == "pt2" else write_onnx(program, spec, path)
    assert max(check(run, net, spec).values()) < 1e-5


def test_a_layer_that_states_it_cannot_is_believed():
    net = small("mdta")
    mixer = net.encoder[0][0].mixer
    mixer.properties = replace(mixer.properties, export="it is odd")
    with pytest.raises(ExportError, match=r"encoder\.0\.0\.mixer \(MDTA\): it is odd"):
        trace(net, 3)
