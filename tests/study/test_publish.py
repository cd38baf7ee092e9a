"""What is kept of a study is small, and its report comes again from it."""

from study_tables import write_tables
from tiny_study import options

from denoise.study.declaration import declare
from denoise.study.publish import publish
from denoise.study.report import write_report


def test_the_report_comes_again_from_what_is_kept(tmp_path):
    folder, study = write_tables(tmp_path / "out"), declare(options())
    page = write_report(folder, study, None, [])
    written = publish(folder, tmp_path / "docs")
    names = {path.name for path in written}
    assert {"index.md", "forest.png", "table.csv.gz", "runs.csv", "curves.csv"} < names
    assert all(path.parent == tmp_path / "docs" for path in written)
    small = (tmp_path / "docs" / "table.csv.gz").stat().st_size
    assert small < (folder / "table.csv").stat().st_size / 4
    again = write_report(tmp_path / "docs", study, None, [])
    assert again.with_name("index.md").read_text() == page.with_name("index.md").read_text()


def test_the_same_tables_are_the_same_files(tmp_path):
    folder = write_tables(tmp_path / "out")
    for target in ("one", "two"):
        publish(folder, tmp_path / target)
    first, second = (tmp_path / target / "table.csv.gz" for target in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
