"""Training on small photographs: it learns, records, resumes exactly, stops on NaN."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from harness import config, make
from PIL import Image
from pytorch_lightning.callbacks import Timer
from runs import QUICK
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from denoise.noise.estimation import estimate_line, estimate_sigma, realised_sigma
from denoise.noise.synthetic import Gaussian, Poisson
from denoise.training.learning_rate import warmup_cosine
from denoise.training.module import DenoisingModule
from denoise.weights.load import load_checkpoint, load_model


def weights(path, key="state_dict"):
    return load_checkpoint(path)[key]


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_run_leaves_everything(short_run):
    folder = short_run.folder
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
    for word in ("cat", "average of 2", "non-local means", "best.ckpt", "pictures", "tensorboard"):
        assert word in short_run.output


def test_it_learns(train):
    folder = train("trainer.max_steps=60", "trainer.val_check_interval=60", "optimizer.lr=0.005")
    mean = {
        row["method"]: row["psnr"]
        for row in json.loads((folder / "results.json").read_text())["average"]
    }
    assert mean["restored"] > mean["noisy"] + 2


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(("trainer.val_check_interval=3",), marks=pytest.mark.slow),
        ("trainer.val_check_interval=4", "trainer.accumulate_grad_batches=2", "callbacks=ema"),
    ],
)
def test_a_resumed_run_ends_as_an_unbroken_one(train, overrides):
    overrides = (
        *overrides, "trainer.max_steps=6", "pictures=false",
        "callbacks.checkpoint.save_top_k=-1", "callbacks.checkpoint.filename='at-{step}'",
    )  # fmt: skip
    whole = train(*overrides) / "checkpoints"
    middle = sorted(whole.glob("at-step=*.ckpt"))[0]
    assert load_checkpoint(middle)["global_step"] < 6
    resumed = train(*overrides, f"resume='{middle}'", name="resumed") / "checkpoints"
    for key in ("state_dict", "current_model_state")[: 1 + ("callbacks=ema" in overrides)]:
        assert not equal(weights(middle, key), weights(whole / "last.ckpt", key))
        assert equal(weights(resumed / "last.ckpt", key), weights(whole / "last.ckpt", key))


def test_the_same_seed_gives_the_same_weights(short_run, train):
    overrides = ("trainer.max_steps=4", "trainer.val_check_interval=2", "pictures=false")
    same, other = (
        weights(train(*overrides, f"seed={seed}", name=name) / "checkpoints" / "last.ckpt")
        for seed, name in ((0, "same"), (3, "other"))
    )
    first = weights(short_run.folder / "checkpoints" / "last.ckpt")
    assert equal(first, same)
    assert not equal(first, other)


def test_nan_stops_the_run_and_says_where(train):
    with pytest.raises(
        SystemExit, match=r"the loss is nan at step \d, learning rate .*: lower opt"
    ):
        train("trainer.max_steps=9", "optimizer.lr=1e30", "trainer.gradient_clip_val=null")


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.precision=bf16-mixed", "loss=charbonnier", "backbone.sigma_map=true",
         "progressive=[[1,16,4],[2,24,2]]", "patch=32", "noise.sigma=[0,50]"),
        ("channels=1", "noise=poisson", "logger=csv", "loss=mse", "scheduler=constant_cosine",
         "optimizer=adam", "trainer.max_time=00:00:10:00"),
        pytest.param(("noise=jpeg", "loss=psnr", "logger=none"), marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_options(train, overrides):
    folder = train("trainer.max_steps=3", "trainer.val_check_interval=3", *overrides)
    record = json.loads((folder / "results.json").read_text())
    assert record["protocol"] == (
        "seeded" if any(w.startswith("noise=") for w in overrides) else "kair"
    )
    assert np.isfinite([row["psnr"] for row in record["images"]]).all()


def test_real_noise_from_pairs(command, photos, tmp_path):
    (tmp_path / "noisy").mkdir()
    for path in photos.iterdir():
        Image.open(path).quantize(8).convert("RGB").save(tmp_path / "noisy" / path.name)
    overrides = [word for word in QUICK if "folder" not in word]
    for part in ("train", "val", "test"):
        overrides += [
            f"data@{part}=pairs",
            f"{part}.pairs.noisy=noisy",
            f"{part}.pairs.clean=photos",
        ]
    command("train", *overrides, "protocol=real", "trainer.max_steps=2",
            "trainer.val_check_interval=2", "hydra.run.dir=run")  # fmt: skip
    record = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {(row["set"], row["sigma"]) for row in record["images"]} == {("pairs", None)}


def module(net):
    optimizer, loss = make("optimizer", "optimizer.weight_decay=0.1"), torch.nn.L1Loss()
    return DenoisingModule(net, None, None, loss, optimizer, lambda x: 1.0, None, 25, 0, {})


@pytest.mark.parametrize(("noise", "told"), [(Gaussian(25), True), (Poisson(30), False)])
def test_a_net_trains_at_the_noise_level_that_it_is_given_in_use(noise, told):
    clean = torch.rand(2, 3, 32, 32)
    one = DenoisingModule(
        nn.Identity(), noise, None, None, None, None, SimpleNamespace(needs_sigma=True), 25, 0, {}
    )
    sample = one._sample({"clean": clean}, 0)
    expected = realised_sigma(sample.noisy, clean) if told else estimate_sigma(sample.noisy)
    torch.testing.assert_close(sample.level, expected.float())
    pairs = one._sample({"clean": clean, "noisy": sample.noisy}, 0)
    torch.testing.assert_close(pairs.level, estimate_sigma(sample.noisy).float())


def test_vectors_do_not_decay():
    net = make("backbone", "backbone.dim=8")
    denoising = module(net)
    denoising.progress = lambda: 0.0
    groups = denoising.configure_optimizers()["optimizer"].param_groups
    assert {group["role"]: group["weight_decay"] for group in groups} == {
        "hidden": 0.1, "other": 0.1, "vector": 0.0,
    }  # fmt: skip
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))


@pytest.mark.parametrize(
    ("max_steps", "seconds", "share"),
    [(10, None, 0.3), (-1, (6, 4), 0.6), (10, (1, 9), 0.3), (10, (6, 4), 0.6), (-1, None, 0)],
)
def test_progress_is_by_steps_or_by_time_whichever_is_further(max_steps, seconds, share):
    timer = Timer()
    if seconds:
        timer.time_elapsed, timer.time_remaining = (lambda value=s: value for s in seconds)
    denoising = module(torch.nn.Identity())
    denoising._trainer = SimpleNamespace(max_steps=max_steps, global_step=3, callbacks=[timer])
    assert denoising.progress() == pytest.approx(share)


def test_learning_rate_follows_the_schedule(short_run):
    log = EventAccumulator(str(short_run.folder / "tensorboard")).Reload()
    rates = [scalar.value for scalar in log.Scalars("train/learning_rate")]
    factors = [warmup_cosine(step / 4, warmup=0.05, floor=0.01) for step in range(4)]
    assert rates == pytest.approx([0.002 * factor for factor in factors])


@pytest.mark.slow
def test_compiled(train):
    two = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "batch=1", "val_crop=16")
    folder = train(*two, "trainer.max_steps=2", "trainer.val_check_interval=2", "compile=true")
    load_model(folder / "checkpoints" / "best.ckpt")


def test_default_config_is_whole():
    assert config().noise.sigma == 25


def test_a_changed_rate_holds_when_a_run_is_continued(train, capsys):
    overrides = ("trainer.val_check_interval=2", "pictures=false", "scheduler=constant_linear")
    first = train(*overrides, "trainer.max_steps=2", name="first")
    path = first / "checkpoints" / "last.ckpt"
    capsys.readouterr()
    changed = ("optimizer.lr=1e-5", "optimizer.weight_decay=0.5", "trainer.max_steps=4")
    second = train(*overrides, *changed, f"resume={path}", name="second")
    told = capsys.readouterr().out.replace("\n", " ")
    assert "at step 2; changed: optimizer.lr 0.002 -> 1e-05, optimizer.weight_decay" in told
    state = torch.load(second / "checkpoints" / "last.ckpt", weights_only=True)
    groups = state["optimizer_states"][0]["param_groups"]
    assert {group["initial_lr"] for group in groups} == {1e-5}
    assert {group["role"]: group["weight_decay"] for group in groups} == {
        "hidden": 0.5, "other": 0.5, "vector": 0.0,
    }  # fmt: skip
    before = torch.load(path, weights_only=True)["state_dict"]
    moved = max((state["state_dict"][name] - w).abs().max() for name, w in before.items())
    assert 0 < moved < 5e-5  # two steps at the new rate


def test_the_best_is_kept_over_a_continuation(train):
    """The best of the first run stays best where the second is ruined."""
    overrides = ("trainer.val_check_interval=2", "pictures=false")
    first = train(*overrides, "trainer.max_steps=2", name="first")
    best = torch.load(first / "checkpoints" / "best.ckpt", weights_only=True)
    path = first / "checkpoints" / "last.ckpt"
    ruin = ("optimizer.lr=0.5", "trainer.max_steps=6", f"resume={path}")
    second = train(*overrides, *ruin, name="second")
    kept = torch.load(second / "checkpoints" / "best.ckpt", weights_only=True)
    assert kept["global_step"] == best["global_step"] == 2
    results = json.loads((second / "results.json").read_text())
    key = next(k for k in best["callbacks"] if k.startswith("RunCheckpoint") and "psnr" in k)
    assert results["training"]["val_psnr"] == pytest.approx(
        best["callbacks"][key]["best_model_score"].item()
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_steps=0", r"trainer\.max_steps=0 trains nothing"),
        ("trainer.max_steps=null", r"trainer\.max_steps=None trains nothing"),
        ("+trainer.limit_val_batches=0", r"trainer\.limit_val_batches=0 leaves no validation"),
    ],
)
def test_a_run_without_steps_or_validation_is_refused(train, override, message):
    with pytest.raises(SystemExit, match=message):
        train("trainer.max_time=00:00:00:01", override)


def test_a_scheduler_of_torch_is_stepped(train):
    folder = train(
        "scheduler=multi_step", "scheduler.milestones=[1,3]", "trainer.max_steps=4", "logger=csv",
        "trainer.val_check_interval=2", "pictures=false",
    )  # fmt: skip
    rows = csv.DictReader((folder / "csv" / "metrics.csv").read_text().splitlines())
    rates = [float(row["train/learning_rate"]) for row in rows if row["train/learning_rate"]]
    assert rates == pytest.approx([0.002, 0.001, 0.001, 0.0005])


def test_averaged_weights_of_a_schedule_free_optimizer_are_saved_and_continued(train):
    overrides = ("optimizer=schedule_free", "scheduler=constant", "optimizer.warmup_steps=1",
                 "trainer.val_check_interval=2", "pictures=false")  # fmt: skip
    whole = train(*overrides, "trainer.max_steps=4", name="whole") / "checkpoints" / "last.ckpt"
    half = train(*overrides, "trainer.max_steps=2", name="half") / "checkpoints" / "last.ckpt"
    state = torch.load(half, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert {group["train_mode"] for group in state} == {False}
    resumed = train(*overrides, "trainer.max_steps=4", f"resume={half}", name="resumed")
    for name, weight in weights(whole, "state_dict").items():
        torch.testing.assert_close(
            weights(resumed / "checkpoints" / "last.ckpt", "state_dict")[name], weight,
            rtol=1e-4, atol=1e-6,
        )  # fmt: skip


def test_a_net_with_a_map_of_the_signal_is_given_the_line_of_the_noise():
    net = nn.Identity()
    net.sigma_map = "signal"
    clean = torch.rand(2, 3, 32, 32)
    one = DenoisingModule(net, Poisson(30), None, None, None, None, None, 25, 0, {})
    sample = one._sample({"clean": clean}, 0)
    assert torch.equal(sample.level, estimate_line(sample.noisy).float())
