"""Everything of a model in one folder: weights, programs, runner and card, checked as written."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from denoise.evaluation.complexity import model_complexity
from denoise.export import runner
from denoise.export.onnx import write_onnx
from denoise.export.torch_export import (
    ExportError,
    Interface,
    capture,
    check,
    interface,
    smallest_side,
    write_pt2,
)
from denoise.results.model_card import model_card

FILES = {
    "safetensors": ("model.safetensors", "config.json"),
    "onnx": ("model.onnx", "run.py"),
    "pt2": ("model.pt2",),
}
ABOUT = ("README.md", "model.json")
KEPT = ("name", "seed", "sigma", "channels", "noise", "loss", "patch", "batch", "backbone")
PACKAGES = ("torch", "onnx", "onnxruntime", "safetensors")


def hand_over(
    net: nn.Module,
    config: Mapping[str, Any],
    record: Mapping[str, Any] | None,
    formats: Sequence[str],
    folder: Path,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model in several formats, all files at once.

    Args:
        net: the backbone in evaluation mode, on the CPU.
        config: it was loaded with.
        record: what results.json holds of it, for the card.
        formats: of safetensors, onnx and pt2.
        folder: made where it is missing.
        overwrite: whether to replace the files of an earlier export, those of other formats too.

    Returns:
        What model.json holds: files, refused (reasons by format), interface and checks (largest
        differences from the net by format and size).

    Raises:
        ValueError: for an unknown format, files in the way, a program that differs from the net,
            or where no format could be written.
    """
    unknown = [name for name in formats if name not in FILES]
    if unknown or not formats:
        raise ValueError(f"format={unknown or formats}: choose from {', '.join(FILES)}")
    names = [*ABOUT, *(name for files in FILES.values() for name in files)]
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise ValueError(f"{folder} has {', '.join(there)}: give overwrite=true or another folder")
    folder.mkdir(parents=True, exist_ok=True)
    net = net.float()
    with TemporaryDirectory(prefix=".export-", dir=folder) as place:
        draft = Path(place)
        about, checks, refused = _write(net, config, [*dict.fromkeys(formats)], draft)
        done = [name for name in formats if name not in refused]
        if not done:
            reasons = (f"{name}: {reason}" for name, reason in refused.items())
            raise ValueError(f"nothing could be exported: {'; '.join(reasons)}")
        made = {
            "files": [name for form in done for name in FILES[form]],
            "refused": refused,
            "interface": about and about._asdict(),
            "checks": checks,
            "packages": _packages(),
        }
        (draft / "model.json").write_text(json.dumps(made, indent=1) + "\n")
        complexity = model_complexity(net, config["backbone"]["in_channels"])
        (draft / "README.md").write_text(model_card(net, config, record, complexity, made))
        mode = (draft / "README.md").stat().st_mode
        for name in names:
            if (draft / name).exists():
                (draft / name).chmod(mode)  # safetensors keeps its file to its writer
                os.replace(draft / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)  # of an earlier export
    return made


def _write(
    net: nn.Module, config: Mapping[str, Any], formats: Sequence[str], draft: Path
) -> tuple[Interface | None, dict[str, dict[str, float]], dict[str, str]]:
    """Write the formats that can be; give interface, checks and the reasons of the others."""
    channels = config["backbone"]["in_channels"], config["backbone"]["out_channels"]
    about, program, failure = None, None, None
    checks, refused = {}, {}
    if set(formats) - {"safetensors"}:
        try:
            program = capture(net, channels[0])
            about = interface(net, *channels, smallest_side(program, net, channels[0]))
        except ExportError as error:
            failure = error
    for form in formats:
        path = draft / FILES[form][0]
        try:
            if form == "safetensors":
                write_weights(net, config, path)
                continue
            if failure is not None:
                raise failure
            run = write_pt2(program, path) if form == "pt2" else write_onnx(program, about, path)
            checks[form] = check(run, net, about)
            if form == "onnx":
                shutil.copyfile(runner.__file__, draft / "run.py")
        except ExportError as error:
            path.unlink(missing_ok=True)
            refused[form] = str(error)
    return about, checks, refused


def write_weights(net: nn.Module, config: Mapping[str, Any], path: Path) -> None:
    """Write the weights, and beside them config.json, from which load_model builds the net.

    Raises:
        ExportError: where safetensors is not installed.
    """
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise ExportError("safetensors is not installed: pip install '.[export]'") from error
    state = {name: weight.contiguous() for name, weight in net.state_dict().items()}
    save_file(state, path, {"format": "pt"})
    kept = {key: config[key] for key in KEPT if key in config}
    kept["train"] = list(config.get("train") or [])  # names alone: no paths of this machine
    path.with_name("config.json").write_text(json.dumps(kept, indent=1) + "\n")


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
