"""A study goes on from its published tables, on another machine or after its folder is lost."""

import pytest
from tiny_study import runs_of, worker

from denoise.study.adopt import adopt
from denoise.study.publish import publish
from denoise.study.store import REGISTERED, Store


@pytest.fixture
def published(tmp_path):
    """Publish a study after the runs of its first rung; return its worker and the folder."""
    (tmp_path / "one").mkdir()
    first = worker(tmp_path / "one")
    first.store.register({"name": "tiny"})
    first.work(8)
    runs = runs_of(first)
    first.store.write_tables(runs, runs, ["attention"])
    first.store.write_curves()
    publish(first.store.folder, tmp_path / "docs")
    (tmp_path / "two").mkdir()
    return first, tmp_path / "docs"


def test_what_was_published_is_not_trained_again(tmp_path, published):
    first, docs = published
    second = worker(tmp_path / "two")
    assert adopt(docs, second.store) == 6  # two of the eight failed
    assert adopt(docs, second.store) == 0
    assert (second.store.folder / REGISTERED).is_file()
    known, adopted = first.progress(), second.progress()
    assert adopted.validation == {key: v for key, v in known.validation.items() if v is not None}
    assert adopted.chosen == pytest.approx({k: known.chosen[k] for k in adopted.chosen})
    assert len(adopted.chosen) == 6
    assert second.work(None) == first.work(None) + 2  # the failed ones are tried again


def test_a_rung_trains_from_its_first_step_where_the_checkpoint_is_missing(tmp_path, published):
    second = worker(tmp_path / "two")
    adopt(published[1], second.store)
    second.work(None)
    later = next(run for run in runs_of(second) if run.rung.name == "B")
    assert "resumed from None" in (second.store.of(later) / "output.txt").read_text()
    assert second.store.failure(later) is None


def test_a_run_without_scores_is_trained_again_once_they_are_needed(tmp_path, published):
    second = worker(tmp_path / "two")
    adopt(published[1], second.store)
    (run, *_) = (run for run in runs_of(second) if second.store.scores(run))
    (second.store.of(run) / "scores.csv").unlink()
    second.work(1)
    assert len(second.store.scores(run)) == 1
    assert (second.store.of(run) / "output.txt").is_file()


def test_nothing_published_is_nothing(tmp_path):
    assert adopt(tmp_path / "none", Store(tmp_path / "out")) == 0
