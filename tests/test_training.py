"""Training end to end on small photographs: it learns, resumes exactly, stops on NaN."""

import json
import subprocess
import sys

import pytest
import pytorch_lightning as pl
import torch
from conftest import ROOT, config
from hydra.utils import instantiate
from omegaconf import OmegaConf

from denoise.training.checkpoint import (
    CheckpointError,
    check_targets,
    find_checkpoint,
    load_checkpoint,
    load_model,
)
from denoise.training.datamodule import Images
from denoise.training.module import Denoiser, TrainingDivergedError
from denoise.training.schedule import constant_cosine, warmup_cosine

QUICK = (
    "backbone.dim=8",
    "backbone.num_blocks=[1,1,1,1]",
    "backbone.num_refinement_blocks=0",
    "patch=16",
    "batch=2",
    "val_crop=32",
    "trainer.max_time=null",
    "trainer.val_check_interval=2",
    "trainer.log_every_n_steps=1",
    "trainer.accelerator=cpu",
)
IGNORED = (
    "ignore:.*LeafSpec.*:Warning",
    "ignore:.*does not have many workers.*:UserWarning",
    "ignore:Your `IterableDataset` has `__len__`:UserWarning",
    "ignore:.*lr_scheduler.step.*:UserWarning",
)
pytestmark = [pytest.mark.filterwarnings(rule) for rule in IGNORED]
