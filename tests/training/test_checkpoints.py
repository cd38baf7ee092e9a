"""The best of a run stays its best when it is continued; what is no number is not kept."""

from types import SimpleNamespace

import pytest
import torch

from denoise.training.checkpoints import RunCheckpoint


def best(folder, resumed_from=None):
    callback = RunCheckpoint(
        str(folder), "best", monitor="val/psnr", mode="max", save_top_k=1,
        save_on_train_epoch_end=False, enable_version_counter=False,
    )  # fmt: skip
    callback.resumed_from = resumed_from
    return callback


def write_best(folder, score):
    """Write the checkpoint of a best score; return its state."""
    old = best(folder)
    old.best_model_score, old.best_model_path = torch.tensor(score), str(folder / "best.ckpt")
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"callbacks": {old.state_key: old.state_dict()}}, folder / "best.ckpt")
    return old.state_dict()


def test_the_best_goes_along_to_another_folder(tmp_path):
    state = write_best(tmp_path / "old", 23.5)
    new = best(tmp_path / "new", tmp_path / "old" / "last.ckpt")
    new.load_state_dict(state)
    target = tmp_path / "new" / "best.ckpt"
    assert target.read_bytes() == (tmp_path / "old" / "best.ckpt").read_bytes()
    assert (new.best_model_path, new.best_model_score.item()) == (str(target), 23.5)
    assert new.best_k_models == {str(target): torch.tensor(23.5)}


@pytest.mark.parametrize("damage", ["missing", "another score", "not a checkpoint"])
def test_a_score_without_its_checkpoint_is_forgotten(tmp_path, damage):
    state = write_best(tmp_path / "old", 23.5)
    path = tmp_path / "old" / "best.ckpt"
    if damage == "missing":
        path.unlink()
    elif damage == "another score":
        write_best(tmp_path / "old", 24.0)
    else:
        path.write_text("hello")
    new = best(tmp_path / "new", tmp_path / "old" / "last.ckpt")
    new.load_state_dict(state)
    assert new.best_model_score is None
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("score", ["nan", "inf"])
def test_what_is_no_number_is_not_saved(tmp_path, score):
    trainer = SimpleNamespace(callback_metrics={"val/psnr": torch.tensor(float(score))})
    best(tmp_path).on_validation_end(trainer, None)  # would need a real trainer to save
    assert not list(tmp_path.iterdir())
