"""Scores of a checkpoint: several draws, the same noise for all models."""

import numpy as np
import pytest
from harness import make
from runs import plain, save

from denoise.evaluation.protocols import Independent
from denoise.metrics import psnr
from denoise.study.declaration import Scoring
from denoise.study.measure import measure


def test_rows_of_every_image_sigma_and_draw(tmp_path, photos):
    config = plain("data@test=folder", f"test.folder.path={photos}")
    save(tmp_path / "best.ckpt", config)  # a fresh network is the identity
    images = make("test", "data@test=folder", f"test.folder.path={photos}", "run_dir=.")
    rows = measure(tmp_path / "best.ckpt", {"folder": images}.get, Scoring(
        ("folder",), (15.0, 50.0), 2, 32))  # fmt: skip
    keys = {(row["image"], row["sigma"], row["draw"]) for row in rows}
    assert keys == {(i, s, d) for i in ("cat", "cup") for s in (15.0, 50.0) for d in (0, 1)}
    assert len(rows) == 8
    assert {row["pixels"] for row in rows} == {32 * 32}
    assert all(row["seconds"] > 0 for row in rows)
    by_draw = {row["draw"]: row["psnr"] for row in rows if row["image"] == "cat"}
    assert by_draw[0] != by_draw[1]


def test_noise_differs_by_image_and_draw_alone():
    import torch

    clean = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 200, 200)) / 255)
    protocol = Independent()
    noisy = protocol.add_noise(clean, 25)
    alone = protocol.add_noise(clean[1:], 25)
    assert torch.equal(noisy[1:], alone)
    fields = (noisy - clean).double() * 255 / 25
    assert fields.std() == pytest.approx(1, abs=0.01)
    correlation = (fields[0] * fields[1]).mean().item()
    assert abs(correlation) < 0.02
    assert not torch.equal(noisy, Independent(1).add_noise(clean, 25))
    assert psnr(noisy, clean).mean() == pytest.approx(20.17, abs=0.05)
