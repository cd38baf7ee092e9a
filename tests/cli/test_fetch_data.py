"""The command that downloads public sets: its words, and what it refuses."""

import pytest

from denoise.cli.public_sets import SOURCES


def test_the_table_of_sets(command, capsys):
    command("fetch_data", "list=true")
    out = capsys.readouterr().out
    assert all(f"{name} " in out for name in SOURCES)


def test_unknown_sets_and_none_are_refused(command):
    with pytest.raises(SystemExit, match=r"^error: no set kodak: there are bsd400"):
        command("fetch_data", "kodak")
    with pytest.raises(SystemExit, match=r"^error: name a set: bsd400"):
        command("fetch_data")
    with pytest.raises(SystemExit, match=r"^error: --data-dir is not a flag: .*data_dir=VALUE"):
        command("fetch_data", "set12", "--data-dir", "data")


@pytest.mark.parametrize("words", ["set12", "sets=set12", "sets=[set12]"])
def test_sets_by_word_and_by_option(command, words, tmp_path, capsys):
    (tmp_path / "k=1, data/set12").mkdir(parents=True)
    for number in range(12):
        (tmp_path / f"k=1, data/set12/{number}.png").touch()
    command("fetch_data", words, "data_dir=k=1, data")
    assert capsys.readouterr().out == "set12: k=1, data/set12 is complete\n"
