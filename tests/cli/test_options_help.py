"""What --help says."""

import re

import pytest

from denoise.cli.compose import CONFIGS
from denoise.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_group_of_a_command_is_listed(command, name, capsys, tmp_path):
    command(name, "--help")
    text = capsys.readouterr().out
    source = (CONFIGS / f"{name}.yaml").read_text().partition("\nhydra:")[0]
    for key, note in re.findall(r"^(\w+):[^#\n]*(?:# (.*))?$", source, re.MULTILINE):
        if key != "defaults":
            assert re.search(rf"^  {key}[ .].*{re.escape(note)}$", text, re.MULTILINE), key
    for group in re.findall(r"^  - ([\w@]+): ", source, re.MULTILINE):
        assert re.search(rf"^  {group} .*\[\w+\]", text, re.MULTILINE), group
    assert "hydra" not in text.replace("${hydra:runtime.output_dir}", "").lower()
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_choice_are_listed_too(command, capsys):
    command("train", "attention=swin", "-h")
    text = capsys.readouterr().out
    options = text.partition("\nOptions of attention=swin:\n")[2]
    assert re.match(r"  attention\.window_size +8\n", options)


def test_help_on_what_does_not_exist_is_refused(command):
    with pytest.raises(SystemExit, match=r"^error: .*Available options in 'attention'"):
        command("train", "attention=swim", "--help")
