"""Hand a model over: python scripts/export.py checkpoint=PATH output=FOLDER format=[onnx]."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from denoise.cli.hydra_main import hydra_main
from denoise.export.export_model import hand_over
from denoise.malloc import tune_malloc
from denoise.results.model_card import results_of
from denoise.results.tables import echo
from denoise.weights.load import load_model


@hydra_main
def main(config: DictConfig) -> None:
    """Write a model's weights, programs, runner and card to a folder; show the checks."""
    tune_malloc()
    checkpoint, output = Path(config.checkpoint), Path(config.output)
    formats = list(config.format) if OmegaConf.is_list(config.format) else [config.format]
    net, trained = load_model(checkpoint)
    record = results_of(checkpoint)
    made = hand_over(net, trained, record, formats, output, overwrite=config.overwrite)
    for form, found in made["checks"].items():
        figures = ", ".join(f"{size} {difference:.1e}" for size, difference in found.items())
        echo(f"{form}: differs from the model by at most {figures}")
    for form, reason in made["refused"].items():
        echo(f"{form}: not exported: {reason}")
    echo(f"written to {output}: README.md, model.json, {', '.join(made['files'])}")


if __name__ == "__main__":
    main()
