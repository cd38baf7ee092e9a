"""A study of seconds on two small photographs."""

import sys

from denoise.study.declaration import declare
from denoise.study.execute import Worker
from denoise.study.runs import Planner
from denoise.study.store import Store

PHOTOS = ("data@train=folder", "data@val=folder", "data@test=folder")
BASE = (
    "backbone.dim=8", "backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "patch=16",
    "batch=1", "val_crop=16", "norm=layernorm", "feedforward=gdfn", "optimizer=adamw",
    "scheduler=constant_linear", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1",
    *PHOTOS, "train.folder.path=photos", "val.folder.path=photos", "test.folder.path=photos",
)  # fmt: skip
SCORE = "{sets:[photographs],sigmas:[25],draws:2,crop:32}"


def options(**changes):
    """Return the options of the study in plain containers."""
    scoring = {"sets": ["photographs"], "sigmas": [25], "draws": 2, "crop": 32}
    rungs = [
        {"name": "A", "steps": 5, "seeds": [0, 1], "score": scoring},
        {"name": "B", "steps": 10, "keep": 1, "seeds": [0, 1], "score": scoring},
    ]
    return {
        "name": "tiny",
        "question": "Is it better?",
        "base": list(BASE),
        "factors": {"attention": ["sca", "conv1x1", "cbam", "none"]},
        "controls": ["none", "conv1x1"],
        "control": "conv1x1",
        "equalise": "parameters",
        "reference": ["attention=sca"],
        "tolerance": 0.05,
        "rates": [1],
        "widen": 1,
        "rate_options": ["optimizer.lr"],
        "choose": {"set": "photographs", "sigma": 25},
        "equivalence": 0.03,
        "rungs": rungs,
        "claims": [],
        "add": [],
    } | changes


def arguments(out, *more, arms="none,conv1x1,sca", steps=(5, 10), seeds="[0]"):
    """Return the arguments of the command for a study in the folder with photos/."""
    quoted = ",".join(f"'{one}'" for one in BASE)
    rungs = ",".join(
        f"{{name:{name},steps:{count},keep:1,seeds:{seeds},score:{SCORE}}}"
        for name, count in zip("AB", steps, strict=False)
    )
    return [
        f"out={out}", f"study.base=[{quoted}]", f"study.factors.attention=[{arms}]",
        "study.controls=[none,conv1x1]", "study.control=conv1x1",
        "study.reference=['attention=sca']",
        "study.rates=[1]", f"study.rungs=[{rungs}]", "study.choose.set=photographs", *more,
    ]  # fmt: skip


def command(out, *more, **changes):
    """Return the command line of a process."""
    return [sys.executable, "-m", "denoise.cli.study", *arguments(out, *more, **changes)]


# Writes what denoise train leaves; fails for cbam.
TRAINING = """
import json, pathlib, sys
options = dict(word.partition("=")[::2] for word in sys.argv[1:])
folder = pathlib.Path(options["hydra.run.dir"])
print("resumed from", options.get("resume"))
if "told_to_end" in options:
    sys.exit(143)
if options["attention"] == "cbam":
    sys.exit("error: out of memory")
(folder / "checkpoints").mkdir(exist_ok=True)
for name in ("best", "last", "constant"):
    (folder / "checkpoints" / f"{name}.ckpt").write_text(name)
training = {"steps": int(options["trainer.max_steps"]), "seconds": 0.5, "val_psnr": 30.0}
results = {"training": training, "model": {}, "environment": {"git": None}}
(folder / "results.json").write_text(json.dumps(results))
"""


def worker(folder, said=None, arms=None, **changes):
    study = declare(options(**changes))
    script = folder / "training.py"
    script.write_text(TRAINING)

    def score(run, checkpoint):
        assert checkpoint.read_text() == "best"
        row = {"set": "photographs", "image": "cat", "sigma": 25.0, "draw": 0, "ssim": 0.8,
               "seconds": 0.1, "pixels": 1024}  # fmt: skip
        return [row | {"psnr": 30.0 + len(run.arm.name) / 10}]

    planner = Planner(study, lambda overrides: {"of": list(overrides)}, {})
    return Worker(
        planner, Store(folder / "out"), score, threads=1, options=["data_dir=here"],
        say=(said if said is not None else []).append, train=[sys.executable, str(script)],
        arms=arms,
    )  # fmt: skip


def runs_of(one):
    return list({run.key: run for run in one.planner.known(one.progress())}.values())
