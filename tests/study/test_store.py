"""What a study's folder keeps."""

import csv
import json

from tiny_study import options

from denoise.study.declaration import declare
from denoise.study.runs import Planner
from denoise.study.store import CONSTANT, Store, read_json

ROW = {"set": "photographs", "image": "=cat", "sigma": 25.0, "draw": 0, "psnr": 29.5,
       "ssim": 0.8, "seconds": 0.1, "pixels": 1024}  # fmt: skip


def two_runs():
    study = declare(options())
    plan = Planner(study, lambda overrides: {"of": list(overrides)}, {})
    return [plan.run(arm, 0, 1, study.rungs[0]) for arm in study.arms[:2]]


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def train(store, run, psnr=30.0):
    path = store.of(run) / "results.json"
    path.parent.mkdir(parents=True)
    training = {"steps": 5, "seconds": 2.0, "val_psnr": psnr}
    content = {"training": training, "model": {"parameters": 7}, "environment": {"git": "abc"}}
    path.write_text(json.dumps(content))


def test_scores_come_back_as_they_were(tmp_path):
    store, (run, _) = Store(tmp_path), two_runs()
    train(store, run)
    assert store.scores(run) is None
    store.save_scores(run, [ROW])
    assert store.scores(run) == [ROW | {"image": "'=cat"}]  # no formula in a sheet
    progress = store.progress(("photographs", 25.0))
    assert progress.validation == {run.key: 30.0}
    assert progress.chosen == {run.key: 29.5}
    assert store.progress(("kodak24", 25.0)).chosen == {}


def test_a_failed_run_is_a_row(tmp_path):
    store, (good, bad) = Store(tmp_path), two_runs()
    train(store, good)
    store.save_scores(good, [ROW])
    store.fail(bad, "ValueError: broken")
    table = store.write_tables([good, bad], [good, bad], ["attention"])
    rows = read(tmp_path / "runs.csv")
    assert [row["error"] for row in rows] == ["", "ValueError: broken"]
    assert rows[0]["val_psnr"] == "30.0"
    (row,) = read(table)
    assert (row["arm"], row["attention"], row["rung"], row["psnr"]) == ("none", "none", "A", "29.5")
    assert store.progress(("photographs", 25.0)).chosen == {good.key: 29.5, bad.key: None}


def test_what_changes_after_the_registration_is_told(tmp_path):
    store = Store(tmp_path)
    assert store.register({"equivalence": 0.03, "seeds": [0]}) == []
    assert store.register({"equivalence": 0.03, "seeds": [0]}) == []
    (change,) = store.register({"equivalence": 0.1, "seeds": [0]})
    assert change == "equivalence: 0.03 became 0.1"


def test_a_file_that_was_cut_off_counts_as_missing(tmp_path):
    (tmp_path / "a.json").write_text('{"training": {')
    assert read_json(tmp_path / "a.json") is None
    assert CONSTANT.endswith("constant.ckpt")
