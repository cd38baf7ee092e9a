"""The page of a study, made from its tables alone."""

import re

from PIL import Image
from study_tables import write_tables
from tiny_study import options

from denoise.study.declaration import declare
from denoise.study.report import EXAMPLES, write_report

CLAIMS = [{"text": "Sca's <gain> is real.", "arm": "sca", "over": "conv1x1", "expect": "better"}]


def test_the_page_says_what_the_tables_show(tmp_path):
    folder = write_tables(tmp_path)
    study = declare(options(claims=CLAIMS, add=["lka"]))
    page = write_report(folder, study, None, ["equivalence: 0.1 became 0.03"])
    text = page.read_text()
    assert page == folder / "report" / "index.html"
    assert "sca is better than conv1x1 by 0.1" in text
    assert "none is worse than conv1x1 by 0.2" in text
    assert "95 % interval" in text
    assert "equivalence: 0.1 became 0.03" in text
    assert "lka was added after the registration." in text
    assert "Sca&#39;s &lt;gain&gt; is real." in text
    assert ">holds<" in text
    assert not re.search(r'src="(?!data:)', text)  # opens from disk, from anywhere
    assert not re.search(r'(?:src|href)="https?:', text)
    assert len(re.findall("data:image/png;base64", text)) == 6


def test_the_docs_page_has_the_same_and_its_pictures(tmp_path):
    folder = write_tables(tmp_path)
    (folder / "report").mkdir()
    Image.new("RGB", (20, 20)).save(folder / "report" / EXAMPLES)
    page = write_report(folder, declare(options(claims=CLAIMS)), None, []).with_name("index.md")
    text = page.read_text()
    assert text.startswith("# The study tiny\n")
    assert "- sca is better than conv1x1 by 0.1" in text
    assert "Nothing departed." in text
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert EXAMPLES in pictures
    assert all((folder / "report" / name).is_file() for name in pictures)
    assert "| sca | conv1x1 | better | +0.1" in text


def test_numbers_come_again_from_the_tables(tmp_path):
    study = declare(options())
    texts = [
        write_report(write_tables(tmp_path / name), study, None, []).with_name("index.md")
        for name in ("one", "two")
    ]
    assert texts[0].read_text() == texts[1].read_text()
