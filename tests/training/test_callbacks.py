"""Averaged weights, pictures in the logs, the lines of the progress bar."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from denoise.evaluation.protocols import Kair
from denoise.training.callbacks import EMA, Pictures
from denoise.training.module import DenoisingModule


def events(folder):
    return EventAccumulator(str(folder), {"images": 0, "scalars": 0}).Reload()


def test_ema_forgets_its_start():
    average = EMA(0.999)._kwargs["multi_avg_fn"]
    mean = [torch.zeros(3)]
    for count in range(1, 200):
        average(mean, [torch.ones(3)], torch.tensor(count))
    assert mean[0].min() > 0.99
    late = [torch.zeros(3)]
    average(late, [torch.ones(3)], torch.tensor(10**6))
    torch.testing.assert_close(late[0], torch.full((3,), 0.001))


def test_validation_images_are_written_at_every_validation(short_run):
    written = events(short_run.folder / "tensorboard")
    assert set(written.Tags()["images"]) == {"val/folder/cat", "val/folder/cup"}
    for tag in written.Tags()["images"]:
        images = written.Images(tag)
        assert [image.step for image in images] == [2, 4]
        assert images[0].width == 3 * 32 + 8


def test_only_so_many_images_are_written(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="log")
    trainer = SimpleNamespace(loggers=[logger], global_step=7)
    module = DenoisingModule(*[None] * 6, Kair(), 25, 0, {})
    image = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    outputs = {"noisy": image, "restored": image, "clean": image}
    for index, name in enumerate("abc"):
        batch = {"set": ["set"], "name": [name]}
        Pictures(2).on_validation_batch_end(trainer, module, outputs, batch, index)
    logger.experiment.close()
    assert set(events(tmp_path / "log").Tags()["images"]) == {"val/set/a", "val/set/b"}


def test_every_validation_prints_a_line(short_run):
    number = r"\d+\.\d+"
    lines = re.findall(
        rf"step +(\d+)  loss {number}  val PSNR ({number}) dB  SSIM {number}  {number} images/s",
        short_run.output,
    )
    logged = events(short_run.folder / "tensorboard").Scalars("val/psnr")
    assert [int(step) for step, _ in lines] == [2, 4]
    assert [float(psnr) for _, psnr in lines] == pytest.approx(
        np.array([scalar.value for scalar in logged]), abs=0.006
    )
