"""A program as ONNX: open sizes, the spec as metadata, the outputs of the net."""

import numpy as np
import onnxruntime
import pytest
import torch
from harness import make

from denoise.export.onnx import write_onnx
from denoise.export.torch_export import ExportError, model_spec, smallest_size, trace

TINY = (
    "backbone.dim=8", "backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]",
    "backbone.num_refinement_blocks=0", "attention=none", "backbone.sigma_map=true",
)  # fmt: skip


@pytest.fixture(scope="module")
def program():
    net = make("backbone", *TINY).eval()
    program = trace(net, 3)
    return net, program, model_spec(net, 3, 3, smallest_size(program, net, 3))


def test_a_file_states_its_spec_and_gives_what_the_net_gives(program, tmp_path):
    net, program, spec = program
    write_onnx(program, spec, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [given.name for given in session.get_inputs()] == ["noisy", "sigma"]
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    assert session.get_outputs()[0].shape == ["batch", 3, "height", "width"]
    assert session.get_modelmeta().custom_metadata_map == {
        "channels": "3", "out_channels": "3", "sigma_map": "True", "size_multiple": "2",
        "alignment": "2", "halo": str(spec.tiling.halo), "smallest": str(spec.tiling.smallest),
        "min_size": str(spec.tiling.min_size), "normalisation": "[0, 1]",
    }  # fmt: skip
    for size in [(1, 3, 45, 77), (4, 3, 64, 64), (1, 3, 5, 4)]:
        x, sigma = torch.rand(size), 50 * torch.rand(size[0])
        restored = session.run(None, {"noisy": x.numpy(), "sigma": sigma.numpy()})[0]
        with torch.no_grad():
            assert np.abs(restored - net(x, sigma).numpy()).max() < 1e-5


def test_an_operation_without_onnx_is_one_line(program, tmp_path, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("pages of advice") from ValueError("no ONNX for aten.odd\nadvice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ExportError, match=r"^torch.onnx fails: no ONNX for aten\.odd$"):
        write_onnx(program[1], program[2], tmp_path / "model.onnx")
