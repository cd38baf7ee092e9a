"""Export a model: denoise export checkpoint=PATH output=FOLDER format=[onnx]."""

from pathlib import Path

from omegaconf import DictConfig

from denoise.backbone.restormer import Restormer
from denoise.cli.compose import as_list
from denoise.cli.hydra_main import hydra_main
from denoise.export.export_model import export_model
from denoise.malloc import tune_malloc
from denoise.results.model_card import results_of
from denoise.results.tables import echo
from denoise.weights.load import load_model


@hydra_main
def main(config: DictConfig) -> None:
    """Write a model's weights, programs, runner and card to a folder; show the checks."""
    tune_malloc()
    checkpoint, output = Path(config.checkpoint), Path(config.output)
    net, trained = load_model(checkpoint)
    if not isinstance(net, Restormer):
        raise ValueError(f"{checkpoint}: {type(net).__name__} cannot be exported, a Restormer can")
    record = results_of(checkpoint)
    exported = export_model(
        net, trained, record, as_list(config.format), output,
        overwrite=config.overwrite, half_precision=config.half_precision,
    )  # fmt: skip
    for name, found in exported["checks"].items():
        figures = ", ".join(f"{size} {difference:.1e}" for size, difference in found.items())
        echo(f"{name}: differs from the model by at most {figures}")
    for name, reason in exported["skipped"].items():
        echo(f"{name}: not exported: {reason}")
    echo(f"written to {output}: README.md, model.json, {', '.join(exported['files'])}")


if __name__ == "__main__":
    main()
