"""The command of a study: plan, runs that are killed and resumed, a mechanism more."""

import csv
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import write_photos
from tiny_study import arguments, command


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_plan_is_printed_and_written(command, photos, tmp_path, capsys):
    command("study", "plan", *arguments("out"))
    text = capsys.readouterr().out
    assert "| none (control) | attention=none | 4 |" in text
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert [row["arm"] for row in plan["arms"]] == ["none (control)", "conv1x1 (control)", "sca"]
    assert all(abs(float(row["off"].rstrip("%"))) < 5 for row in plan["arms"])
    assert [row["steps"] for row in plan["rungs"]] == [15, 18]
    assert not (tmp_path / "out" / "runs").exists()


def test_what_is_refused(command):
    with pytest.raises(SystemExit, match=r"^error: action=go is unknown: choose one of plan, run"):
        command("study", "go", "steps_per_second=1")
    with pytest.raises(SystemExit, match=r"^error: study.control=gate is unknown: choose one of"):
        command("study", "plan", "study.control=gate", "steps_per_second=1")


@pytest.mark.slow
def test_killed_and_resumed_then_extended(tmp_path):
    write_photos(tmp_path)
    call = command("out", "run", arms="none,conv1x1", steps=(60,))
    killed = subprocess.Popen(call, cwd=tmp_path, start_new_session=True)
    last = []
    until = time.monotonic() + 300
    while not last and time.monotonic() < until:
        last = list(tmp_path.glob("out/runs/A/none*/checkpoints/last.ckpt"))
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    (run,) = tmp_path.glob("out/runs/A/none*")
    assert last
    assert not (run / "results.json").exists()

    subprocess.run(call, cwd=tmp_path, check=True)
    assert f"continuing from {last[0].relative_to(tmp_path)}" in (run / "output.txt").read_text()
    table = rows(tmp_path / "out" / "table.csv")
    assert {row["arm"] for row in table} == {"none", "conv1x1"}
    assert {row["draw"] for row in table} == {"0", "1"}
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("out/runs/A/*/results.json")}
    assert len(written) == 2

    subprocess.run([*call, "study.add=[sca]"], cwd=tmp_path, check=True)
    assert {row["arm"] for row in rows(tmp_path / "out" / "table.csv")} == {
        "none", "conv1x1", "sca",
    }  # fmt: skip
    assert all(path.stat().st_mtime_ns == before for path, before in written.items())
    assert len(list(tmp_path.glob("out/runs/A/*/results.json"))) == 3
