"""Export a model to one folder: weights, programs, runner and card, checked as written."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file

from denoise.backbone.restormer import Restormer
from denoise.evaluation.complexity import model_complexity
from denoise.export import runner
from denoise.export.onnx import write_onnx
from denoise.export.torch_export import (
    ExportError,
    ModelSpec,
    check,
    model_spec,
    smallest_size,
    trace,
    write_pt2,
)
from denoise.inference import tile_grid
from denoise.plain_text import to_json
from denoise.results.model_card import PAIRED, model_card, trained_noise
from denoise.weights.load import CONFIG, WEIGHTS

FILES = {
    "safetensors": (WEIGHTS, CONFIG),
    "onnx": ("model.onnx", "run.py", "tile_grid.py"),
    "pt2": ("model.pt2",),
}
CARD = ("README.md", "model.json")
ALL_FILES = (*CARD, *(name for names in FILES.values() for name in names))
CONFIG_KEYS = (
    "name", "seed", "sigma", "channels", "range", "noise", "objective", "loss", "patch", "batch",
    "plugins", "backbone",
)  # fmt: skip
PACKAGES = ("torch", "onnx", "onnxruntime", "safetensors")


def export_model(
    net: Restormer,
    config: Mapping[str, Any],
    record: Mapping[str, Any] | None,
    formats: Sequence[str],
    folder: Path,
    *,
    overwrite: bool = False,
    half_precision: bool = False,
) -> dict[str, Any]:
    """Write a model in several formats, all files at once.

    Args:
        net: the backbone in evaluation mode, on the CPU.
        config: the resolved config that it was loaded with.
        record: content of its results.json, for the card.
        formats: any of safetensors, onnx and pt2.
        folder: created if it is missing.
        overwrite: whether to replace the files of an earlier export, those of other formats too.
        half_precision: whether safetensors holds the weights in half precision.

    Returns:
        Content of model.json: files, skipped (reasons by format), spec and checks (largest
        differences from the net by format and size).

    Raises:
        ValueError: for an unknown format, files in the way, a program that differs from the net,
            or where no format could be written.
    """
    _check_options(formats, folder, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    net = net.float()
    with TemporaryDirectory(prefix=".export-", dir=folder) as temporary:
        draft = Path(temporary)
        spec, checks, skipped = _write(
            net, config, [*dict.fromkeys(formats)], draft, half_precision
        )
        done = [name for name in formats if name not in skipped]
        if not done:
            reasons = (f"{name}: {reason}" for name, reason in skipped.items())
            raise ValueError(f"nothing could be exported: {'; '.join(reasons)}")
        exported = {
            "half_precision": half_precision,
            "files": [file for name in done for file in FILES[name]],
            "skipped": skipped,
            "spec": spec and spec.flat(),
            "checks": checks,
            "packages": _packages(),
        }
        (draft / "model.json").write_text(f"{to_json(exported)}\n")
        complexity = model_complexity(net, config["backbone"]["in_channels"])
        (draft / "README.md").write_text(
            model_card(net, config, record, complexity, exported), encoding="utf-8"
        )
        _replace_files(draft, folder)
    return exported


def _check_options(formats: Sequence[str], folder: Path, overwrite: bool) -> None:
    unknown = [name for name in formats if name not in FILES]
    if unknown or not formats:
        raise ValueError(f"format={unknown or formats}: choose from {', '.join(FILES)}")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give a folder")
    existing = [name for name in ALL_FILES if (folder / name).exists()]
    if existing and not overwrite:
        names = ", ".join(existing)
        raise ValueError(f"{folder} has {names}: give overwrite=true or another folder")


def _replace_files(draft: Path, folder: Path) -> None:
    """Move the files of a draft to the folder, in place of those of an earlier export."""
    mode = (draft / CARD[0]).stat().st_mode
    for name in ALL_FILES:
        if (draft / name).exists():
            (draft / name).chmod(mode)  # safetensors writes files that only their owner reads
            os.replace(draft / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _write(
    net: Restormer,
    config: Mapping[str, Any],
    formats: Sequence[str],
    draft: Path,
    half_precision: bool,
) -> tuple[ModelSpec | None, dict[str, dict[str, float]], dict[str, str]]:
    """Write the formats that can be; return spec, checks and why the others are skipped."""
    checks: dict[str, dict[str, float]] = {}
    skipped: dict[str, str] = {}
    if "safetensors" in formats:
        write_weights(net, config, draft / FILES["safetensors"][0], half_precision=half_precision)
    programs = [name for name in formats if name != "safetensors"]
    if not programs:
        return None, checks, skipped
    channels = config["backbone"]["in_channels"], config["backbone"]["out_channels"]
    try:
        program = trace(net, channels[0])
        spec = model_spec(net, *channels, smallest_size(program, net, channels[0]))
    except ExportError as error:
        return None, checks, skipped | dict.fromkeys(programs, str(error))
    for name in programs:
        path = draft / FILES[name][0]
        try:
            run = write_pt2(program, path) if name == "pt2" else write_onnx(program, spec, path)
            checks[name] = check(run, net, spec)
            if name == "onnx":
                write_runner(draft)
        except ExportError as error:
            path.unlink(missing_ok=True)
            skipped[name] = str(error)
    return spec, checks, skipped


def write_runner(folder: Path) -> None:
    """Write run.py, and beside it the tile grid module that it imports."""
    source, shared = Path(runner.__file__).read_text("utf-8"), Path(tile_grid.__file__)
    package = f"from {tile_grid.__name__} import"
    assert package in source
    (folder / "run.py").write_text(source.replace(package, f"from {shared.stem} import"), "utf-8")
    shutil.copyfile(shared, folder / shared.name)


def write_weights(
    net: Restormer, config: Mapping[str, Any], path: Path, *, half_precision: bool = False
) -> None:
    """Write the weights, and beside them config.json, from which load_model builds the net.

    Args:
        net: the backbone.
        config: the resolved config that it was loaded with.
        path: of the .safetensors file.
        half_precision: whether the weights are stored in half precision.
    """
    state = {name: weight.contiguous() for name, weight in net.state_dict().items()}
    if half_precision:
        state = {n: w.half() if w.is_floating_point() else w for n, w in state.items()}
    save_file(state, path, {"format": "pt"})
    kept = {key: config[key] for key in CONFIG_KEYS if key in config}
    if trained_noise(config) == PAIRED:
        kept["noise"] = PAIRED
    kept["train"] = list(config.get("train") or [])  # names alone: no paths of this machine
    kept["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(CONFIG).write_text(json.dumps(kept, indent=1) + "\n")


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
