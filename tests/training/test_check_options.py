"""Options of a run that would only fail inside Lightning."""

import pytest
from omegaconf import OmegaConf
from runs import plain

from denoise.cli.compose import compose_config
from denoise.training.check_options import check_options


def run_options(*words):
    return plain("batch=4", *words)


@pytest.mark.parametrize(
    "words",
    [(), ("trainer=long",), ("trainer.precision=bf16-mixed", "compile=true"),
     ("trainer.max_time=01:12:00:00", "trainer.val_check_interval=5", "compile=reduce-overhead"),
     ("data@train=[bsd400,div2k]", "trainer.accelerator=cpu")],
)  # fmt: skip
def test_what_works_is_let_through(words):
    check_options(run_options(*words))


def test_every_experiment_and_trainer_is_let_through():
    for word in ("experiment=bsd", "trainer=quick"):
        config = compose_config(word, "run_dir=.")
        check_options(OmegaConf.to_container(config, resolve=True))


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"train": {}}, r"data@train=\[\]"),
        ({"val": {"folder": {"path": "x"}, "pairs": {"_target_": "x"}}}, "val.folder has options"),
        ({"batch": 0}, "batch=0"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"compile": "quick"}, "compile=quick"),
    ],
)
def test_others_are_named(changes, answer):
    with pytest.raises(ValueError, match=answer):
        check_options(run_options() | changes)


def test_an_accelerator_that_is_not_there_is_refused(monkeypatch):
    import denoise.training.check_options as module

    monkeypatch.setattr(module.CUDAAccelerator, "is_available", staticmethod(lambda: False))
    monkeypatch.setattr(module.MPSAccelerator, "is_available", staticmethod(lambda: False))
    for name in ("gpu", "cuda", "mps"):
        with pytest.raises(ValueError, match=f"trainer.accelerator={name} is not here"):
            check_options(run_options(f"trainer.accelerator={name}"))
    monkeypatch.setattr(module.CUDAAccelerator, "is_available", staticmethod(lambda: True))
    check_options(run_options("trainer.accelerator=gpu"))
