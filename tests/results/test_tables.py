"""Tables for the terminal, for spreadsheets and for markdown."""

import csv
from io import StringIO

from rich.console import Console

from denoise.evaluation.evaluate import averages
from denoise.results.tables import complexity_texts, echo, markdown, scores, write_csv

ROWS = [
    {"set": name, "sigma": sigma, "image": image, "method": method, "psnr": psnr, "ssim": 0.12345}
    for name, sigma, image in (("s", 15, "a"), ("s", 15, "b"), ("s", 50, "a"), ("t", 15, "c"))
    for method, psnr in (("noisy", 20.256), ("restored", 30.0))
]


def lines_of(table):
    console = Console(width=100, file=StringIO())
    console.print(table)
    cells = console.file.getvalue().replace("┃", "│").splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in cells if "│" in line]


def test_scores_of_images_and_means_stand_by_set_and_level():
    rows = lines_of(scores(ROWS, averages(ROWS), "title"))
    cells = ["20.26  0.1235", "30.00  0.1235"]
    assert rows == [
        ["", "noisy", "restored"], ["image", "PSNR  SSIM", "PSNR  SSIM"],
        ["s, sigma 15", "", ""], ["a", *cells], ["b", *cells], ["average of 2", *cells],
        ["s, sigma 50", "", ""], ["a", *cells], ["average of 1", *cells],
        ["t, sigma 15", "", ""], ["c", *cells], ["average of 1", *cells],
    ]  # fmt: skip


def test_a_set_without_sigma_and_a_method_without_score():
    rows = [row | {"sigma": None} for row in ROWS[:3]]
    assert lines_of(scores(rows, averages(rows), ""))[2:5] == [
        ["s", "", ""],
        ["a", "20.26  0.1235", "30.00  0.1235"],
        ["b", "20.26  0.1235", ""],
    ]


def test_complexity_as_text():
    texts = complexity_texts({"parameters": 1234567, "macs": 4_437_000_000, "macs_size": 128})
    assert texts == {"parameters": "1,234,567", "MACs at 128x128": "4.44 G"}


def test_echo_keeps_brackets_and_long_lines(capsys):
    line = "[bold]a[/bold] " + "word " * 80
    echo(line, "second")
    assert capsys.readouterr().out == f"{line}\nsecond\n"


def test_csv_holds_every_key_that_a_row_has(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": 1}, {"b": "x,y", "a": 2.5}])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], ["1", ""], ["2.5", "x,y"]]


def test_csv_computes_nothing_and_takes_any_name(tmp_path):
    write_csv(tmp_path / "a.csv", [{"image": "=1+1", "psnr": -1.5}, {"image": "\udce9"}])
    text = (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert text == "image,psnr\n'=1+1,-1.5\n\\xe9,\n"


def test_any_name_can_be_printed(capsys):
    echo("\udce9.png", scores([ROWS[0] | {"image": "\udce9"}], averages(ROWS[:1]), ""))
    shown = capsys.readouterr().out
    assert shown.startswith("\\xe9.png\n")
    assert "\\xe9 " in shown.split("\n", 1)[1]


def test_markdown():
    rows = [{"name": "a", "x": 0.12345, "n": 1234567}, {"name": "b", "x": 12345.6}]
    assert markdown(rows) == (
        "| name | x | n |\n| --- | --- | --- |\n"
        "| a | 0.123 | 1,234,567 |\n| b | 12,346 |  |\n"
    )  # fmt: skip
