"""Names of runs."""

import pytest

from denoise.cli.run_name import MAX_LENGTH, run_name


@pytest.mark.parametrize(
    ("overrides", "name", "expected"),
    [
        ([], "default", "default"),
        (["attention=swin", "norm=dyt", "seed=1"], "default", "attention=swin,norm=dyt,seed=1"),
        (["attention.window_size=4", "+loss.eps=0.1"], "", "window_size=4,eps=0.1"),
        (["norm.alpha=1", "attention.alpha=2"], "", "norm.alpha=1,attention.alpha=2"),
        (["attention@attention.level1=swin", "data@train=folder"], "", "level1=swin,train=folder"),
        (["backbone.num_blocks=[1, 1,2,2]", "noise.sigma=[0,50]"], "",
         "num_blocks=1-1-2-2,sigma=0-50"),
        (["experiment=bsd", "seed=1"], "bsd", "bsd,seed=1"),
        (["experiment=other"], "default", "experiment=other"),
        (["run_dir=/a/b", "train.folder.path=p", "trainer.devices=2", "~callbacks.ema",
          "hydra.job.chdir=true", "data@test=folder", "test.folder.path=x", "resume=auto",
          "checkpoint=a=b.ckpt", "callbacks.pictures.count=2"], "default", "default"),
        (["callbacks=ema", "trainer.max_steps=300"], "mine", "mine,callbacks=ema,max_steps=300"),
    ],
)  # fmt: skip
def test_a_name_says_what_is_trained(overrides, name, expected):
    assert run_name(overrides, name) == expected


def test_a_long_name_says_how_much_it_leaves_out():
    overrides = [f"attention.option_of_a_long_name_{number}={number}" for number in range(9)]
    name = run_name(overrides)
    assert name.endswith(",and_6_more")
    assert name.startswith("option_of_a_long_name_0=0,option_of_a_long_name_1=1,")
    assert len(run_name([f"norm={'x' * 400}"])) <= MAX_LENGTH + 20


def test_a_long_name_keeps_the_mechanisms_and_the_seed():
    overrides = [f"loss.option_of_a_long_name_{number}=1" for number in range(9)]
    name = run_name([*overrides, "attention=swin", "seed=1"])
    assert name.endswith(",attention=swin,seed=1,and_6_more")


def test_a_name_is_a_legal_folder_name():
    assert run_name(["norm='a b/c*?é'"]) == "norm=a-b-c"
