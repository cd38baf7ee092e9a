"""Training on small photographs: it learns, records, resumes exactly, stops on NaN."""

import json

import numpy as np
import pytest
import torch
from harness import config
from PIL import Image
from runs import QUICK

from denoise.training.callbacks import EMA
from denoise.training.learning_rate import constant_cosine, warmup_cosine
from denoise.training.module import DenoisingModule
from denoise.weights.load import load_checkpoint, load_model


@pytest.fixture
def train(command, photos, tmp_path):
    def run(*words, name="run"):
        command("train", *QUICK, *words, f"hydra.run.dir={name}")
        return tmp_path / name

    return run


def weights(path, key="state_dict"):
    return load_checkpoint(path)[key]


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_run_leaves_everything(train, capfd):
    folder = train("trainer.max_steps=4", "trainer.val_check_interval=2", "baseline=nlm")
    record = json.loads((folder / "results.json").read_text())
    assert record["training"]["steps"] == 4
    assert record["training"]["images_per_second"] > 0
    assert record["seconds"] >= record["training"]["seconds"] > 0
    assert record["protocol"] == "kair"
    assert record["seed"] == 0
    assert "trainer.max_steps=4" in record["overrides"]
    net, trained = load_model(folder / "checkpoints" / "best.ckpt")
    assert record["model"]["parameters"] == sum(p.numel() for p in net.parameters())
    assert record["model"]["macs"] > 1e8
    assert {"git", "python", "packages", "device"} <= record["environment"].keys()
    assert trained["name"] == "default"

    methods = ["noisy", "non-local means", "restored"]
    rows = record["images"]
    assert [(row["image"], row["method"]) for row in rows] == [
        (image, method) for image in ("cat", "cup") for method in methods
    ]
    for mean in record["average"]:
        scores = [row["psnr"] for row in rows if row["method"] == mean["method"]]
        assert mean["psnr"] == pytest.approx(np.mean(scores))
        assert mean["images"] == 2
    assert len((folder / "results.csv").read_text().splitlines()) == 1 + len(rows)
    assert (folder / "config.yaml").read_text().startswith("data_dir: data\n")
    assert load_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 4
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    picture = np.asarray(Image.open(folder / "pictures/folder/sigma25/cat.png"))
    assert picture.shape[1] == 3 * 50 + 8
    shown = capfd.readouterr().out
    for word in ("cat", "average of 2", "non-local means", "best.ckpt", "pictures", "tensorboard"):
        assert word in shown


def test_it_learns(train):
    folder = train("trainer.max_steps=60", "trainer.val_check_interval=60", "optimizer.lr=0.005")
    mean = {
        row["method"]: row["psnr"]
        for row in json.loads((folder / "results.json").read_text())["average"]
    }
    assert mean["restored"] > mean["noisy"] + 2


@pytest.mark.parametrize(
    "words",
    [
        ("trainer.val_check_interval=3",),
        ("trainer.val_check_interval=4", "trainer.accumulate_grad_batches=2", "callbacks=ema"),
    ],
)
def test_a_resumed_run_ends_as_an_unbroken_one(train, words):
    words = (
        *words, "trainer.max_steps=6", "pictures=false",
        "callbacks.checkpoint.save_top_k=-1", "callbacks.checkpoint.filename='at-{step}'",
    )  # fmt: skip
    whole = train(*words) / "checkpoints"
    middle = sorted(whole.glob("at-step=*.ckpt"))[0]
    assert load_checkpoint(middle)["global_step"] < 6
    resumed = train(*words, f"resume='{middle}'", name="resumed") / "checkpoints"
    for key in ("state_dict", "current_model_state")[: 1 + ("callbacks=ema" in words)]:
        assert not equal(weights(middle, key), weights(whole / "last.ckpt", key))
        assert equal(weights(resumed / "last.ckpt", key), weights(whole / "last.ckpt", key))


def test_validation_falls_between_optimizer_steps(train):
    with pytest.raises(SystemExit, match=r"val_check_interval=3 .*multiple of 2"):
        train("trainer.val_check_interval=3", "trainer.accumulate_grad_batches=2")


def test_the_same_seed_gives_the_same_weights(train):
    words = ("trainer.max_steps=2", "trainer.val_check_interval=2", "pictures=false")
    one, two, three = (
        weights(train(*words, f"seed={seed}", name=name) / "checkpoints" / "last.ckpt")
        for seed, name in ((1, "one"), (1, "two"), (3, "three"))
    )
    assert equal(one, two)
    assert not equal(one, three)


def test_nan_stops_the_run_and_says_where(train):
    with pytest.raises(
        SystemExit, match=r"the loss is nan at step \d, learning rate .*: lower opt"
    ):
        train("trainer.max_steps=9", "optimizer.lr=1e30", "trainer.gradient_clip_val=null")


@pytest.mark.parametrize(
    "words",
    [
        ("trainer.precision=bf16-mixed", "loss=charbonnier", "backbone.sigma_map=true"),
        ("progressive=[[1,16,4],[2,24,2]]", "patch=32", "loss=psnr", "noise.sigma=[0,50]"),
        ("channels=1", "noise=poisson", "logger=csv", "loss=mse", "scheduler=constant_cosine"),
        ("noise=jpeg", "optimizer=adam", "logger=none", "trainer.max_time=00:00:10:00"),
    ],
)
def test_options(train, words):
    folder = train("trainer.max_steps=3", "trainer.val_check_interval=3", *words)
    record = json.loads((folder / "results.json").read_text())
    assert record["protocol"] == (
        "seeded" if any(w.startswith("noise=") for w in words) else "kair"
    )
    assert np.isfinite([row["psnr"] for row in record["images"]]).all()


def test_real_noise_from_pairs(command, photos, tmp_path):
    (tmp_path / "noisy").mkdir()
    for path in photos.iterdir():
        Image.open(path).quantize(8).convert("RGB").save(tmp_path / "noisy" / path.name)
    words = [word for word in QUICK if "folder" not in word]
    for part in ("train", "val", "test"):
        words += [f"data@{part}=pairs", f"{part}.pairs.noisy=noisy", f"{part}.pairs.clean=photos"]
    command("train", *words, "protocol=real", "trainer.max_steps=2",
            "trainer.val_check_interval=2", "hydra.run.dir=run")  # fmt: skip
    record = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {(row["set"], row["sigma"]) for row in record["images"]} == {("pairs", None)}


def test_vectors_do_not_decay():
    from harness import make

    net = make("backbone", "backbone.dim=8")
    optimizer = make("optimizer", "optimizer.weight_decay=0.1")
    module = DenoisingModule(
        net, None, torch.nn.L1Loss(), optimizer, lambda x: 1.0, None, 25, 0, {}
    )
    module.progress = lambda: 0.0
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert {p.ndim > 1 for p in groups[0]["params"]} == {True}
    assert {p.ndim > 1 for p in groups[1]["params"]} == {False}
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))


def test_schedules():
    assert [warmup_cosine(x, warmup=0.1, floor=0.01) for x in (0.05, 0.1, 1)] == pytest.approx(
        [0.5, 1, 0.01]
    )
    assert warmup_cosine(0.55, warmup=0.1, floor=0) == pytest.approx(0.5)
    assert warmup_cosine(0, warmup=0.1, floor=0) > 0
    assert [constant_cosine(x, constant=0.3, floor=0) for x in (0, 0.3, 0.65, 1)] == pytest.approx(
        [1, 1, 0.5, 0]
    )


def test_ema_forgets_its_start():
    average = EMA(0.999)._kwargs["multi_avg_fn"]
    mean = [torch.zeros(3)]
    for count in range(1, 200):
        average(mean, [torch.ones(3)], torch.tensor(count))
    assert mean[0].min() > 0.99
    late = [torch.zeros(3)]
    average(late, [torch.ones(3)], torch.tensor(10**6))
    torch.testing.assert_close(late[0], torch.full((3,), 0.001))


@pytest.mark.slow
def test_compiled(train):
    two = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "batch=1", "val_crop=16")
    folder = train(*two, "trainer.max_steps=2", "trainer.val_check_interval=2", "compile=true")
    load_model(folder / "checkpoints" / "best.ckpt")


def test_default_config_is_whole():
    assert config().noise.sigma == 25
