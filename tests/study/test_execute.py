"""The execution of runs, with a training of milliseconds in place of the real one."""

import fcntl
import threading

import pytest
import torch
from tiny_study import runs_of, worker

from denoise.study import execute
from denoise.study.execute import finished
from denoise.study.store import CONSTANT, LAST


def test_all_runs_are_made_once_and_a_failing_one_is_no_end(tmp_path):
    said = []
    first = worker(tmp_path, said)
    assert first.work(None) == 14  # four arms, then three; two seeds
    runs = runs_of(first)
    state = finished(first.store, runs)
    assert (state["trained"], state["scored"], state["failed"]) == (12, 12, 2)
    assert state["seconds a step"] == 12 * 0.5 / (6 * 5 + 6 * 10)
    failed = next(run for run in runs if run.arm.name == "cbam")
    assert "out of memory" in first.store.failure(failed)["error"]
    assert any("failed: error: out of memory" in line for line in said)
    assert worker(tmp_path).work(None) == 0  # started again
    output = (first.store.of(runs[0]) / "output.txt").read_text()
    assert "resumed from None" in output
    second = next(run for run in runs if run.rung.name == "B")
    output = (first.store.of(second) / "output.txt").read_text()
    assert str(first.store.of(second.before) / CONSTANT) in output
    assert not (first.store.of(second) / LAST).exists()


def test_a_part_is_made_and_the_rest_later(tmp_path):
    assert worker(tmp_path).work(3) == 3
    assert worker(tmp_path).work(4) == 4
    assert worker(tmp_path).work(None) == 7


def test_only_the_runs_of_some_arms_are_made(tmp_path):
    one = worker(tmp_path, arms=["sca"])
    assert one.work(None) == 2  # seeds; the next rung waits for the other arms
    assert {run.arm.name for run in runs_of(one) if one.store.trained(run)} == {"sca"}
    assert worker(tmp_path).work(None) == 12


def test_a_broken_off_run_goes_on_from_its_last_checkpoint(tmp_path):
    one = worker(tmp_path)
    run = runs_of(one)[0]
    last = one.store.of(run) / LAST
    last.parent.mkdir(parents=True)
    weights = {"state_dict": {"net.a": torch.zeros(1)}, "config": {"backbone": {}}}
    torch.save(weights | {"pytorch-lightning_version": "2.6"}, last)
    one.work(1)
    assert f"resumed from {last}" in (one.store.of(run) / "output.txt").read_text()


def test_a_checkpoint_that_was_cut_off_is_left_behind(tmp_path):
    one = worker(tmp_path)
    run = runs_of(one)[0]
    last = one.store.of(run) / LAST
    last.parent.mkdir(parents=True)
    last.write_bytes(b"PK\x03\x04half")
    one.work(1)
    assert "resumed from None" in (one.store.of(run) / "output.txt").read_text()


def test_workers_share_the_runs(tmp_path):
    workers = [worker(tmp_path) for _ in range(2)]
    made = [0, 0]

    def work(number):
        made[number] = workers[number].work(None)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 14
    assert min(made) > 0


def test_a_run_that_another_process_makes_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "WAIT", 0.05)
    one = worker(tmp_path)
    run = runs_of(one)[0]
    folder = one.store.of(run)
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert one.work(7) == 7
        assert one.store.trained(run) is None
    assert one.work(None) == 7
    assert one.store.trained(run) is not None


def test_a_training_that_is_told_to_end_has_not_failed(tmp_path):
    one = worker(tmp_path)
    one.options = ["told_to_end=true"]
    with pytest.raises(SystemExit, match="start the study again to go on"):
        one.work(None)
    assert finished(one.store, runs_of(one))["failed"] == 0
    assert worker(tmp_path).work(None) == 14


def test_failed_runs_are_made_again_where_that_is_asked(tmp_path):
    one = worker(tmp_path)
    one.work(None)
    assert one.store.forget_failures() == 2
    assert worker(tmp_path).work(None) == 2


def test_without_locks_one_worker_makes_all_runs(tmp_path, monkeypatch):
    """As on Windows, which has none."""
    monkeypatch.setattr(execute, "fcntl", None)
    assert worker(tmp_path).work(None) == 14


def test_a_study_whose_first_run_fails_ends_and_can_be_started_again(tmp_path):
    factors = {"attention": ["cbam", "sca"]}
    bad = worker(tmp_path, factors=factors, controls=["cbam"], control="cbam")
    with pytest.raises(ValueError, match="the first run failed, so the study ends: error: out of"):
        bad.work(None)
    assert not list(bad.store.folder.rglob("failure.json"))
