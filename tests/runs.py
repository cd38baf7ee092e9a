"""Small runs and checkpoints for the tests of several rooms."""

import os

import torch
from harness import config
from hydra.utils import instantiate
from omegaconf import OmegaConf

QUICK = (
    "backbone.dim=8",
    "backbone.num_blocks=[1,1,1,1]",
    "patch=16",
    "batch=2",
    "val_crop=32",
    "trainer.max_time=null",
    "trainer.log_every_n_steps=1",
    "trainer.accelerator=cpu",
    "data@train=folder",
    "data@val=folder",
    "data@test=folder",
    "train.folder.path=photos",
    "val.folder.path=photos",
    "test.folder.path=photos",
)


SMALL = ("backbone.dim=8", "backbone.num_blocks=[1,1,1,1]", "run_dir=.")


def plain(*words):
    return OmegaConf.to_container(config(*SMALL, *words), resolve=True)


def save(path, resolved, **changes):
    torch.manual_seed(0)
    net = instantiate(resolved["backbone"], _convert_="all")
    state = {f"net.{name}": weight for name, weight in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "config": resolved} | changes, path)
    return net


def is_a_short_line(error):
    text = str(error.value)
    return "\n" not in text and len(text) < 200 and "weights_only" not in text


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)
