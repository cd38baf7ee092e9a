"""The model card: what a handed-over model is, was trained on, reaches, costs and cannot do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from denoise.evaluation.complexity import Complexity
from denoise.results.tables import complexity_texts

USE = {
    "safetensors": """\
`model.safetensors` and `config.json`: the weights and the config that builds their net.
With the package `denoise` installed (nothing in the files is executed):

```python
from denoise.weights.load import load_model

net, config = load_model("FOLDER")
restored = net(noisy{sigma})  # {shape}
```""",
    "onnx": """\
`model.onnx` and `run.py`: without torch. Tiles, grey, colour and alpha are seen to:

```sh
pip install numpy onnxruntime pillow
python run.py noisy.png clean.png{flag}
```

In a program of your own:

```python
session = onnxruntime.InferenceSession("model.onnx")
restored = session.run(None, {{"noisy": noisy{given}}})[0]  # float32, {shape}
```""",
    "pt2": """\
`model.pt2`: for torch alone. Open only files that you trust:

```python
net = torch.export.load("model.pt2").module()
restored = net(noisy{sigma})  # float32, {shape}
```""",
}  # fmt: skip


def card(
    net: nn.Module,
    config: Mapping[str, Any],
    record: Mapping[str, Any] | None,
    complexity: Complexity,
    made: Mapping[str, Any],
) -> str:
    """Write the card of a model.

    Args:
        net: the model.
        config: it was loaded with.
        record: what results.json holds of it.
        complexity: Of the model.
        made: what model.json holds.
    """
    backbone, about = config["backbone"], made["interface"]
    channels = {1: "grey", 3: "colour"}.get(backbone["in_channels"], "multi-channel")
    parts = [
        f"# Image denoiser: Restormer-like U-Net, attention {describe(backbone['attention'])}",
        f"Restores noisy {channels} images of any size, given as float32 (batch, "
        f"{backbone['in_channels']}, height, width) in [0, 1]; the output is alike and not clamped."
        + " It takes sigma, the strength of the noise, too: (batch,) in grey levels of 0-255."
        * net.sigma_map,
        "## Architecture\n\n" + _table({**_architecture(backbone), **complexity_texts(complexity)}),
        "## Training\n\n" + _table(_training(config, record)),
        "## Measured\n\n" + _measured(record),
        "## Limits\n\n" + _limits(net, config, about),
        "## Use\n\n" + _use(net, made),
        "## Checked\n\n" + _checks(made),
        "## Licence\n\nNone is granted by this file: the licence of the weights is for whoever "
        "publishes them to choose, within the terms of the images they were trained on.",
    ]
    return "\n\n".join(parts) + "\n"


def describe(part: Any) -> str:
    """Name a part of a config by its word or class, with its options."""
    if not isinstance(part, Mapping):
        return f"{part}"
    target = str(part.get("_target_", "")).split(".")
    name = target[-2] if target[:2] == ["denoise", "attention"] else target[-1]
    options = {key: describe(value) for key, value in part.items() if not key.startswith("_")}
    listed = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"{name} ({listed})" if listed else name


def results_of(checkpoint: Path) -> dict[str, Any] | None:
    """Find what was measured of this very checkpoint, in results.json beside or above it."""
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        try:
            record = json.loads((folder / "results.json").read_text())
            measured = record.get("checkpoint", "best.ckpt")  # training measures its best
            if record["average"] and Path(measured).name == checkpoint.name:
                return record
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return None


def _table(rows: Mapping[str, Any]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {rows[key]} |" for key in rows)])


def _architecture(backbone: Mapping[str, Any]) -> dict[str, str]:
    rows = {key: describe(backbone[key]) for key in ("attention", "norm", "feedforward")}
    hidden = ("_target_", "in_channels", "out_channels", "checkpointing", *rows)
    return rows | {
        key.replace("_", " "): str(v) for key, v in backbone.items() if key not in hidden
    }


def _training(config: Mapping[str, Any], record: Mapping[str, Any] | None) -> dict[str, str]:
    training = (record or {}).get("training", {})
    known = {
        "images": ", ".join(config.get("train") or []),
        "noise": describe(config.get("noise", "")),
        "loss": describe(config.get("loss", "")),
        "crops": f"{config['batch']} of {config['patch']} px" if "patch" in config else "",
        "steps": training.get("steps", ""),
        "seconds": round(training["seconds"]) if "seconds" in training else "",
        "seed": config.get("seed", ""),
    }
    known = {key: value for key, value in known.items() if value != ""}
    return known or {"by": "others: the weights are a published Restormer's"}


def _measured(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "No results.json of this checkpoint was beside it."
    rows = ["| set | images | sigma | method | PSNR (dB) | SSIM |", "|---|---|---|---|---|---|"]
    for row in record["average"]:
        cells = [row[key] for key in ("set", "images", "sigma", "method")]
        cells = ["" if cell is None else cell for cell in cells]
        cells += [f"{row['psnr']:.2f}", f"{row['ssim']:.4f}"]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return f"Protocol `{record.get('protocol')}`.\n\n" + "\n".join(rows)


def _limits(net: nn.Module, config: Mapping[str, Any], about: Mapping[str, Any] | None) -> str:
    noise = describe(config["noise"]) if "noise" in config else "what its authors say"
    lines = [f"Trained for this noise: {noise}. With any other it may do little, or harm."]
    global_layers = net.global_layers()
    if global_layers:
        lines.append(
            f"Every pixel depends on the whole image, by {global_layers[0]} and "
            f"{len(global_layers) - 1} more layers: memory grows with it, and restoring by tiles "
            "is approximate."
        )
    else:
        lines.append("Restoring by tiles gives the very pixels of the whole image.")
    if about:
        lines.append(
            f"The programs take images from {about['smallest']} x {about['smallest']} pixels; "
            "`run.py` extends smaller ones by reflection."
        )
    lines.append("It restores what is likely: no evidence should rest on detail that it shows.")
    return "\n".join(f"- {line}" for line in lines)


def _use(net: nn.Module, made: Mapping[str, Any]) -> str:
    words = {
        "shape": "(batch, channels, height, width) in [0, 1]",
        "sigma": ", sigma" * net.sigma_map,
        "flag": " --sigma 25" * net.sigma_map,
        "given": ', "sigma": sigma' * net.sigma_map,
    }
    parts = [text.format(**words) for form, text in USE.items() if f"model.{form}" in made["files"]]
    refused = [f"Not in this folder, {form}: {why}." for form, why in made["refused"].items()]
    return "\n\n".join(parts + refused)


def _checks(made: Mapping[str, Any]) -> str:
    if not made["checks"]:
        return "The weights are those of the checkpoint, bit by bit."
    rows = [
        f"| {form} | {size} | {difference:.1e} |"
        for form, sizes in made["checks"].items()
        for size, difference in sizes.items()
    ]
    head = "Largest difference from the model in torch, of images in [0, 1]:\n\n"
    return head + "\n".join(["| file | height x width | difference |", "|---|---|---|", *rows])
