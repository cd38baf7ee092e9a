"""Write a torch.export program as ONNX, for onnxruntime and other runtimes."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from denoise.errors import first_line
from denoise.export.torch_export import ExportError, ModelSpec, Run, quiet

IMAGE = ["batch", None, "height", "width"]
AXES: dict[str, list[str | None]] = {"noisy": IMAGE, "sigma": ["batch"], "restored": IMAGE}


def write_onnx(program: ExportedProgram, spec: ModelSpec, path: Path) -> Run:
    """Write a program as one ONNX file with its spec as metadata; return a function that runs it.

    Args:
        program: result of `trace`.
        spec: written as metadata_props, for the runner.
        path: path of the file.

    Raises:
        ExportError: where a package is missing or an operation has no ONNX.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (the exporter's)
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed: pip install '.[export]'") from error
    names = ["noisy", "sigma"][: 1 + spec.sigma_map]
    try:
        with quiet():
            exported = torch.onnx.export(
                program,
                input_names=names,
                output_names=["restored"],
                dynamo=True,
                external_data=False,
                verbose=False,
                custom_translation_table={torch.ops.aten.remainder.Scalar: _remainder},
            )
    except Exception as error:
        raise ExportError(f"torch.onnx fails: {_cause(error)}") from error
    assert exported is not None  # without f it is returned
    _describe(exported.model, spec)
    exported.save(path, external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )

    def run(*tensors: Tensor) -> Tensor:
        inputs = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
        return torch.from_numpy(session.run(None, inputs)[0])

    return run


def _describe(model: Any, spec: ModelSpec) -> None:
    """Name the axes, write the spec and leave out the paths of this machine."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
            if not value.is_graph_output():
                value.shape = None  # named by the exporter
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.metadata_props.clear()
        names = zip(AXES[value.name], value.shape, strict=True)
        value.shape = type(value.shape)([name or size for name, size in names])
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
    stated = {name: str(value) for name, value in spec.flat().items() if value is not None}
    model.metadata_props.update(stated | {"normalisation": "[0, 1]"})


def _remainder(self: Any, other: Any) -> Any:
    """Translate aten.remainder.Scalar, also where the scalar is a dynamic size."""
    from onnxscript import opset18 as op

    divisor = op.CastLike(other, self)
    if self.dtype.is_integer():
        return op.Mod(self, divisor)
    return op.Sub(self, op.Mul(op.Floor(op.Div(self, divisor)), divisor))


def _cause(error: BaseException) -> str:
    """Return the first line of the innermost error: the exporter wraps it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
