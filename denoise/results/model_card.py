"""The model card of an exported model, as README.md with the Hugging Face Hub's YAML header."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from denoise.backbone.restormer import Restormer
from denoise.evaluation.complexity import Complexity
from denoise.evaluation.evaluate import METHOD
from denoise.results.tables import complexity_texts

TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"
PAIRED = "that of its noisy and clean pairs"
LICENCE = "to-be-chosen-by-the-publisher"
NO_EXPORT: dict[str, Any] = {
    "spec": None,
    "files": [],
    "skipped": {},
    "checks": {},
    "half_precision": False,
}
METRICS = {"psnr": "PSNR in dB", "ssim": "SSIM"}


def model_card(
    net: Restormer,
    config: Mapping[str, Any],
    results: Mapping[str, Any] | None,
    complexity: Complexity,
    export: Mapping[str, Any],
) -> str:
    """Return the card of a model, without access to the network.

    Args:
        net: The model.
        config: Its config.
        results: Content of its results.json, if there is one.
        complexity: Its parameters and multiply-accumulates.
        export: Content of its model.json.
    """
    backbone, spec = config["backbone"], export["spec"]
    card = ModelCard.from_template(
        _header(config, results),
        template_path=str(TEMPLATE),
        architecture=_architecture(backbone) | complexity_texts(complexity),
        training=_training(config, results),
        results=results,
        noise=trained_noise(config),
        colour={1: "grey", 3: "colour"}.get(backbone["in_channels"], "multi-channel"),
        channels=backbone["in_channels"],
        sigma_map=net.sigma_map,
        global_layers=net.global_layers(),
        smallest=spec and spec["smallest"],
        export=export,
    )
    return f"{card}\n"


def trained_noise(config: Mapping[str, Any]) -> str:
    """Return the noise that a model was trained with: that of its pairs, or the one added."""
    train = config.get("train") or {}
    sets = train.values() if isinstance(train, Mapping) else ()
    if any(isinstance(one, Mapping) and "noisy" in one for one in sets):
        return PAIRED
    return describe(config.get("noise", ""))


def describe(node: Any) -> str:
    """Return the option or class that a node of a config names, with its own options."""
    if not isinstance(node, Mapping):
        return f"{node}"
    target = str(node.get("_target_", "")).split(".")
    name = target[-2] if target[:2] == ["denoise", "attention"] else target[-1]
    options = {key: describe(value) for key, value in node.items() if not key.startswith("_")}
    listed = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"{name} ({listed})" if listed else name


def results_of(checkpoint: Path) -> dict[str, Any] | None:
    """Return the results of this very checkpoint from results.json beside or above it."""
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        try:
            results = json.loads((folder / "results.json").read_text())
            measured = results.get("checkpoint", "best.ckpt")  # training measures its best
            if results["average"] and Path(measured).name == checkpoint.name:
                return results
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return None


def _header(config: Mapping[str, Any], results: Mapping[str, Any] | None) -> ModelCardData:
    attention = describe(config["backbone"]["attention"]).split(" ")[0]
    measured: Mapping[str, Any] = results or {"average": []}
    scores = [
        EvalResult(
            task_type="image-to-image",
            task_name="image denoising",
            dataset_type=mean["set"],
            dataset_name=mean["set"],
            dataset_config="real noise" if mean["sigma"] is None else f"sigma {mean['sigma']}",
            dataset_args={"protocol": measured.get("protocol")},
            metric_type=metric,
            metric_name=name,
            metric_value=round(mean[metric], 4),
        )
        for mean in measured["average"]
        if mean["method"] == METHOD
        for metric, name in METRICS.items()
        if mean[metric] is not None
    ]
    return ModelCardData(
        license="other",
        license_name=LICENCE,
        pipeline_tag="image-to-image",
        tags=["image-denoising", "restormer", attention],
        datasets=list(config.get("train") or []) or None,
        metrics=list(METRICS) if scores else None,
        model_name=f"restormer-{attention}" if scores else None,
        eval_results=scores or None,
    )


def _architecture(backbone: Mapping[str, Any]) -> dict[str, str]:
    rows = {key: describe(backbone[key]) for key in ("attention", "norm", "feedforward")}
    hidden = ("_target_", "in_channels", "out_channels", "checkpointing", *rows)
    return rows | {
        key.replace("_", " "): str(v) for key, v in backbone.items() if key not in hidden
    }


def _training(config: Mapping[str, Any], results: Mapping[str, Any] | None) -> dict[str, Any]:
    training = (results or {}).get("training", {})
    values = config.get("range", "auto")
    objective = describe(config.get("objective", "Supervised"))
    rows = {
        "images": ", ".join(config.get("train") or []),
        "noise": trained_noise(config),
        "values": "" if values == "auto" else f"range {values}",
        "objective": "" if objective == "Supervised" else objective,
        "loss": describe(config.get("loss", "")),
        "crops": f"{config['batch']} of {config['patch']} px" if "patch" in config else "",
        "steps": training.get("steps", ""),
        "seconds": round(training["seconds"]) if "seconds" in training else "",
        "seed": config.get("seed", ""),
        "packages of the author": ", ".join(map(str, config.get("plugins") or [])),
    }
    return {key: value for key, value in rows.items() if value != ""}
