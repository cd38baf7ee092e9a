"""The benchmark's command: suites, tables and files."""

import json

import pytest

from denoise.cli.benchmark import FACTORY, mixers


def test_a_suite_is_printed_and_written(command, tmp_path, capsys):
    command("benchmark", "properties", "mixers=[none,sca]", "rounds=1", "malloc=default",
            "out=k=1, out")  # fmt: skip
    text = (tmp_path / "k=1, out" / "properties-default-malloc.md").read_text()
    assert capsys.readouterr().out.split() == text.split()
    record = json.loads((tmp_path / "k=1, out" / "properties-default-malloc.json").read_text())
    (rows,) = record["tables"].values()
    assert [row["attention"] for row in rows] == ["none", "sca"]
    assert all(row["ms at 256"] > 0 for row in rows)
    command = "denoise benchmark mixers=[none,sca] rounds=1 malloc=default out='k=1, out'"
    assert record["environment"]["command"].startswith(command)


def test_what_is_refused(command):
    with pytest.raises(SystemExit, match=r"^error: suite=speed is unknown: .* properties"):
        command("benchmark", "suite=speed")
    with pytest.raises(SystemExit, match=r"^error: malloc=plain is unknown: .* tuned, default"):
        command("benchmark", "suite=data", "malloc=plain")
    with pytest.raises(SystemExit, match=r"^error: .*suite"):
        command("benchmark")


def test_an_option_of_several_mixers_is_left_out():
    assert list(mixers(["swin", "per_level"])) == ["swin"]
    assert list(mixers("swin")) == ["swin"]


@pytest.mark.slow
def test_every_single_mixer_is_made():
    made = FACTORY.mixers()
    assert {"mdta", "swin", "none"} < made.keys()
    assert "per_level" not in made
