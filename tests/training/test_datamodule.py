"""Batches of a training run: their numbers and sizes, and the images of validation."""

from itertools import islice
from types import SimpleNamespace

import pytest
import torch

from denoise.data.sets import Folder
from denoise.training.datamodule import DenoisingDataModule

CROPS = {"patch": 16, "batch": 2, "progressive": (), "shuffle_channels": False, "seed": 0}
TRAINER = {"val_check_interval": 4, "accumulate_grad_batches": 2}


def datamodule(photos, val_crop=None, global_step=0, rank=0, **crops):
    images = {"folder": Folder(path=photos, channels=3)}
    data = DenoisingDataModule(images, images, val_crop=val_crop, **CROPS | crops)
    trainer = TRAINER | {"global_step": global_step, "global_rank": rank}
    data.trainer = SimpleNamespace(**trainer)
    return data


def first(data):
    return next(iter(data.train_dataloader()))


def first_few(data, count):
    return list(islice(data.train_dataloader(), count))


def test_validation_falls_between_optimizer_steps(train):
    with pytest.raises(SystemExit, match=r"val_check_interval=3 .*multiple of 2"):
        train("trainer.val_check_interval=3", "trainer.accumulate_grad_batches=2")


def test_batches_continue_after_the_steps_that_are_done(photos):
    whole = first_few(datamodule(photos), 8)
    assert [batch["number"] for batch in whole] == list(range(8))
    resumed = first(datamodule(photos, global_step=3))
    assert resumed["number"] == 6
    assert torch.equal(resumed["clean"], whole[6]["clean"])
    assert not torch.equal(resumed["clean"], whole[0]["clean"])


def test_every_process_draws_its_own_crops(photos):
    one, two = (first(datamodule(photos, rank=rank))["clean"] for rank in (0, 1))
    assert not torch.equal(one, two)


def test_crops_grow_as_asked(photos):
    data = datamodule(photos, progressive=[[1, 8, 4], [2, 12, 3]], patch=32)
    shapes = [batch["clean"].shape for batch in first_few(data, 3)]
    assert shapes == [(4, 3, 8, 8), (3, 3, 12, 12), (2, 3, 32, 32)]


@pytest.mark.parametrize(("val_crop", "size"), [(None, (40, 50)), (32, (32, 32)), (45, (40, 45))])
def test_validation_images_come_one_by_one(photos, val_crop, size):
    batches = list(datamodule(photos, val_crop=val_crop).val_dataloader())
    assert [(batch["set"], batch["name"]) for batch in batches] == [
        (["folder"], ["cat"]), (["folder"], ["cup"]),
    ]  # fmt: skip
    assert {batch["clean"].shape for batch in batches} == {(1, 3, *size)}
