"""Parameters, final scores, pictures and the model card in the logs of a run."""

import json

import numpy as np
import pytest
from runs import QUICK
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from denoise.training.loggers import final_scores, parameters_of

TWO_STEPS = ("trainer.max_steps=2", "trainer.val_check_interval=1", "attention=swin", "seed=1")


def test_parameters_are_the_choices_and_the_overrides():
    choices = {"attention": "swin", "norm": "layernorm", "data@train": "bsd400", "hydra/help": "x"}
    overrides = ["attention=swin", "+loss.eps=0.1", "~callbacks.ema", "backbone.dim=[1,2]"]
    assert parameters_of(choices, overrides) == {
        "attention": "swin", "norm": "layernorm", "data.train": "bsd400", "loss.eps": "0.1",
        "backbone.dim": "[1,2]",
    }  # fmt: skip


def test_final_scores_are_those_of_the_model():
    mean = {"set": "s", "method": "restored", "sigma": 25, "psnr": 30.0, "ssim": 0.9}
    means = [mean, mean | {"method": "noisy"}, mean | {"sigma": None, "psnr": 40.0}]
    assert final_scores({"average": means}) == {
        "test/psnr_s_25": 30.0, "test/ssim_s_25": 0.9, "test/psnr_s": 40.0, "test/ssim_s": 0.9,
    }  # fmt: skip


def test_tensorboard_shows_parameters_with_final_scores_and_the_card(short_run):
    events = EventAccumulator(str(short_run.folder / "tensorboard"), {"tensors": 0}).Reload()
    summaries = events.summary_metadata
    plugin = plugin_data_pb2.HParamsPluginData
    start = plugin.FromString(
        summaries["_hparams_/session_start_info"].plugin_data.content
    ).session_start_info.hparams
    assert start["attention"].string_value == "mdta"
    assert start["backbone.dim"].string_value == "8"
    results = json.loads((short_run.folder / "results.json").read_text())
    mean = next(mean for mean in results["average"] if mean["method"] == "restored")
    for metric in ("psnr", "ssim"):
        (scalar,) = events.Scalars(f"test/{metric}_folder_25")
        assert scalar.value == pytest.approx(mean[metric])
    (card,) = events.Tensors("model card/text_summary")
    assert b"# Image denoiser" in card.tensor_proto.string_val[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own, about its database
def test_mlflow_gets_scores_pictures_and_the_card(command, photos, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    command("train", *QUICK, *TWO_STEPS, "logger=mlflow", "hydra.run.dir=run")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/runs.db")
    experiment = client.get_experiment_by_name("denoise")
    (run,) = client.search_runs([experiment.experiment_id])
    assert "attention=swin" in run.info.run_name
    assert run.info.status == "FINISHED"
    assert run.data.params["attention"] == "swin"
    assert run.data.metrics["test/psnr_folder_25"] > 0
    assert client.get_metric_history(run.info.run_id, "val/psnr")
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"README.md", "images"} <= artifacts
    pictures = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert any("val" in path and "cat" in path and path.endswith(".png") for path in pictures)


@pytest.mark.slow
def test_wandb_gets_parameters_scores_and_pictures_offline(command, photos, tmp_path):
    wandb = pytest.importorskip("wandb")
    command("train", *QUICK, *TWO_STEPS, "logger=wandb", "hydra.run.dir=run")
    wandb.finish()  # writes what is left
    (run,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    (log,) = run.glob("*.wandb")
    content = log.read_bytes()
    for expected in (b"test/psnr_folder_25", b"val/folder/cat", b"attention", b"model-card"):
        assert expected in content, expected
    assert list((run / "files" / "media" / "images" / "val" / "folder").glob("cat*.png"))


def test_no_picture_is_drawn_where_no_log_shows_it(train, monkeypatch):
    from denoise.training import callbacks

    def draw(*args, **options):
        raise AssertionError

    monkeypatch.setattr(callbacks, "comparison_strip", draw)
    train("trainer.max_steps=1", "trainer.val_check_interval=1", "logger=csv", "pictures=false")
    with pytest.raises(AssertionError):
        train("trainer.max_steps=1", "trainer.val_check_interval=1", "pictures=false", name="two")


def test_other_logs_are_left_alone():
    from pytorch_lightning.loggers import CSVLogger

    from denoise.training.loggers import log_picture, shows_pictures

    logger = CSVLogger("nowhere")
    assert not shows_pictures(logger)
    log_picture(logger, "a", np.zeros((2, 2, 3), np.uint8), 1)
