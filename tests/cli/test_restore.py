"""Restoring pictures: exact whatever the tiles, alike in depth, and one bad file stops no other."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image
from runs import plain, save
from skimage.data import chelsea

from denoise.image_io.read import read_photo
from denoise.inference.restorer import Restorer

TINY = ("backbone.num_blocks=[1,1]", "backbone.num_heads=[1,2]", "backbone.num_refinement_blocks=0")


@pytest.fixture
def restore(command, tmp_path):
    def run(*words):
        command("restore", "checkpoint=a.ckpt", *words)

    return run


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(chelsea()[60:157, 100:223]).save(path)
    return path


def by_hand(net, pixels, sigma=None):
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    level = None if sigma is None else torch.tensor([float(sigma)])
    with torch.no_grad():
        return (net(x, level).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).byte().numpy()


def test_a_picture_becomes_the_nets_output(restore, photo, tmp_path, capfd):
    net = save(tmp_path / "a.ckpt", plain(*TINY)).eval()
    restore("input=photo.png", "output=out/clean.png")
    pixels = np.asarray(Image.open(photo))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/clean.png")), by_hand(net, pixels))
    assert "Mpx in" in capfd.readouterr().out


def test_without_a_checkpoint_the_released_model_restores(command, photo, tmp_path):
    """And with the noise estimated: the picture comes nearer to the clean one."""
    clean = np.asarray(Image.open(photo)).astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(tmp_path / "noisy.png")
    command("restore", "input=noisy.png", "output=clean.png")
    restored = np.asarray(Image.open(tmp_path / "clean.png")).astype(float)
    errors = [((image - clean) ** 2).mean() for image in (noisy.clip(0, 255), restored)]
    assert errors[1] < errors[0] / 5


@pytest.mark.parametrize("name", ["x[1] (a,b=c).png", "größe 100%.png", "2024", "it's.png"])
def test_any_name_will_do(restore, tmp_path, name):
    save(tmp_path / "a.ckpt", plain(*TINY))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.fromarray(chelsea()[:40, :50]).save(tmp_path / name, "png")
    restore(f"input={name}", "output=clean.png")
    assert (tmp_path / "clean.png").exists()


@pytest.mark.parametrize("kind", ["grey", "16", "float", "alpha"])
def test_depth_channels_and_alpha_stay(restore, tmp_path, kind):
    import tifffile

    save(tmp_path / "a.ckpt", plain(*TINY))
    pixels = chelsea()[60:100, 100:150]
    name = "in.tif" if kind == "float" else "in.png"
    if kind == "grey":
        Image.fromarray(pixels[..., 0]).save(tmp_path / name)
    elif kind == "16":
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / name)
    elif kind == "float":
        floats = pixels.astype(np.float32) / 255
        tifffile.imwrite(tmp_path / name, floats, photometric="rgb")
    else:
        Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(tmp_path / name)
    restore(f"input={name}", f"output=out{name[2:]}")
    before, after = read_photo(tmp_path / name), read_photo(tmp_path / f"out{name[2:]}")
    assert after.pages[0].shape == before.pages[0].shape
    assert after.pages[0].dtype == before.pages[0].dtype
    assert not np.array_equal(after.pages[0], before.pages[0])
    if kind == "alpha":
        assert np.array_equal(after.alpha[0], before.alpha[0])


def test_a_grey_net_takes_the_colours_one_by_one(restore, photo, tmp_path, capfd):
    net = save(tmp_path / "a.ckpt", plain("channels=1", *TINY)).eval()
    restore("input=photo.png", "output=clean.png", "strength=1")
    pixels, out = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("photo", "clean"))
    for colour in range(3):
        one = np.s_[..., colour : colour + 1]
        assert np.abs(out[one].astype(int) - by_hand(net, pixels[one])).max() <= 1
    assert "RGB image through a net for grey" in capfd.readouterr().out


def test_strength_none_changes_nothing(restore, photo, tmp_path):
    save(tmp_path / "a.ckpt", plain(*TINY))
    restore("input=photo.png", "output=clean.png", "strength=0")
    assert Image.open(tmp_path / "clean.png").tobytes() == Image.open(photo).tobytes()


def test_sigma_is_estimated_where_it_is_asked_for(restore, photo, tmp_path, capfd):
    net = save(tmp_path / "a.ckpt", plain("backbone.sigma_map=true", *TINY)).eval()
    restore("input=photo.png", "output=a.png", "sigma=25")
    restore("input=photo.png", "output=b.png")
    assert "noise estimated at sigma" in capfd.readouterr().out
    expected = by_hand(net, np.asarray(Image.open(photo)), 25)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), expected)
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), expected)


def test_a_folder_goes_on_past_bad_files_and_resumes(restore, photo, tmp_path, capfd):
    save(tmp_path / "a.ckpt", plain(*TINY))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    good = ["in/a.png", "in/deep/b.png", "in/z.png"]
    for name in good:
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "in/empty.png").write_bytes(b"")
    (tmp_path / "in/cut.png").write_bytes(photo.read_bytes()[:2000])
    (tmp_path / "in/notes.txt").write_text("no picture")
    with pytest.raises(SystemExit) as end:
        restore("input=in", "output=out")
    assert "2 of 5 pictures failed" in str(end.value)
    assert "empty.png" in str(end.value)
    found = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "out").rglob("*.png"))
    assert found == ["out/a.png", "out/deep/b.png", "out/z.png"]
    stamp = os.stat(tmp_path / "out/a.png").st_mtime_ns
    (tmp_path / "out/z.png").unlink()
    with pytest.raises(SystemExit, match="2 of 3 pictures failed"):
        restore("input=in", "output=out")
    assert "2 of 5 pictures are done already" in capfd.readouterr().out
    assert (tmp_path / "out/z.png").exists()
    assert os.stat(tmp_path / "out/a.png").st_mtime_ns == stamp


def test_what_another_model_or_option_made_is_told(restore, photo, tmp_path, capfd):
    save(tmp_path / "a.ckpt", plain(*TINY))
    (tmp_path / "in").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "in" / name).write_bytes(photo.read_bytes())
    restore("input=in", "output=out")
    (tmp_path / "out" / "2.png").unlink()
    capfd.readouterr()

    restore("input=in", "output=out")
    assert "1 of 2 pictures are done already, by this model" in capfd.readouterr().out
    restore("input=in", "output=out", "strength=0.5")
    told = "2 of 2 pictures are in out already, but not by this model with these options"
    assert told in capfd.readouterr().out
    save(tmp_path / "a.ckpt", plain(*TINY, "attention=swin"))
    before = (tmp_path / "out" / "1.png").stat().st_mtime_ns
    restore("input=in", "output=out")
    out = capfd.readouterr().out
    assert told in out
    assert "overwrite=true" in out
    assert (tmp_path / "out" / "1.png").stat().st_mtime_ns == before
    restore("input=in", "output=out", "overwrite=true")
    assert (tmp_path / "out" / "1.png").stat().st_mtime_ns > before
    capfd.readouterr()
    restore("input=in", "output=out")
    assert "2 of 2 pictures are done already, by this model" in capfd.readouterr().out


def test_pictures_of_one_name_keep_their_folders(restore, photo, tmp_path, capfd):
    names = ["da/x.png", "db/x.png", "zo/old.png"]
    net = save(tmp_path / "a.ckpt", plain(*TINY)).eval()
    pixels = np.asarray(Image.open(photo))
    for shift, name in enumerate(names):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.roll(pixels, shift, 0)).save(tmp_path / name)
    for _ in range(2):
        restore("input=??/*.png", "output=zo")
        restore("input=d?/**/**/x.png", "output=zo")
    assert "2 of 2 pictures are done already" in capfd.readouterr().out
    found = sorted(str(p.relative_to(tmp_path / "zo")) for p in (tmp_path / "zo").rglob("*.png"))
    assert found == ["da/x.png", "db/x.png", "old.png"]
    for shift, name in enumerate(names[:2]):
        expected = by_hand(net, np.roll(pixels, shift, 0))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "zo" / name)), expected)
    restore("input=da/*.png", "output=flat")
    assert (tmp_path / "flat/x.png").exists()


@pytest.mark.parametrize("locked", ["in/b", "in"])
def test_folders_that_cannot_be_read_are_told(restore, photo, tmp_path, monkeypatch, locked):
    save(tmp_path / "a.ckpt", plain(*TINY))
    for name in ("in/a", "in/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.png").write_bytes(photo.read_bytes())
    scandir = os.scandir

    def refuse(path):
        if str(path) == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SystemExit) as end:
        restore("input=in", "output=out")
    assert f"{locked} cannot be read (Permission denied): make it readable" in str(end.value)
    assert (tmp_path / "out/a/x.png").exists() == (locked == "in/b")
    if locked == "in/b":
        assert "0 of 1 pictures and 1 of the folders failed" in str(end.value)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["input=photo.png", "output=photo.png"], "overwrite=true"),
        (["input=photo.png", "output=x.xyz"], "xyz"),
        (["input=pages.tif", "output=x.png"], "cannot hold 2 pages"),
        (["input=photo.png", "output=locked/new/x.png"], "may not write into locked"),
    ],
)
def test_what_cannot_be_written_is_not_restored(
    restore, photo, tmp_path, monkeypatch, words, answer
):
    save(tmp_path / "a.ckpt", plain(*TINY))
    frames = [Image.open(photo)] * 2
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "locked")
    monkeypatch.setattr(Restorer, "__call__", None)
    with pytest.raises(SystemExit) as end:
        restore(*words)
    assert answer in str(end.value)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["input=missing.png", "output=x.png"], "missing.png"),
        (["input=photo.png", "output=x.png", "memory=much"], "'much'"),
        (["input=photo.png", "output=x.png", "memory=2"], "2 is not a size such as 2GiB"),
        (["input=photo.png", "output=x.png", "memory=1MiB"], "memory=1MiB, but the program alone"),
        (["input=photo.png", "output=x.png", "sigma=nan"], "sigma=nan is not a strength of noise"),
        (["input=photo.png", "output=x.png", "sigma=-5"], "sigma=-5 is not a strength of noise"),
        (["input=photo.png", "output=x.png", "sigma=low"], "sigma=low is not a strength of noise"),
        (["input=photo.png", "output=x.png", "strength=much"], "strength=much is not a number"),
        (["input=photo.png", "output=x.png", "ensemble=no"], "ensemble=no is neither true nor"),
        (["input=photo.png", "output=x.png", "device=tpu"], "device=tpu cannot be used here"),
        (["input=photo.png", "output=x.png", "strength=2"], "strength=2"),
        (["input=photo.png", "output=x.png", "tiles=small"], "tiles=small"),
        (["input=photo.png", "output=x.png", "precision=8"], "precision=8"),
        (["input=photo.png", "output=x.png", "max_pixels=100"], "max_pixels"),
        (["input=*.gif", "output=out"], "holds no"),
        (["input=.", "output=./"], "is the input folder: choose another folder"),
        (["input=*.png", "output=."], "is the input folder: choose another folder"),
        (["input=*.png", "output=x.png"], "output=x.png is one picture"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(restore, photo, tmp_path, words, answer):
    save(tmp_path / "a.ckpt", plain(*TINY))
    with pytest.raises(SystemExit) as end:
        restore(*words)
    assert str(end.value).startswith("error: ")
    assert answer in str(end.value)
    assert not (tmp_path / "x.png").exists()


def test_a_picture_that_fails_for_any_reason_takes_no_other_along(restore, tmp_path, monkeypatch):
    save(tmp_path / "a.ckpt", plain(*TINY))
    for name in ("a", "b", "c"):
        Image.fromarray(chelsea()[:40, :50]).save(tmp_path / f"{name}.png")
    errors = iter([KeyError("channels"), RuntimeError("DefaultCPUAllocator: not enough memory")])
    whole = Restorer.__call__

    def fail_twice(self, *args):
        raise_now = next(errors, None)
        if raise_now is not None:
            raise raise_now
        return whole(self, *args)

    monkeypatch.setattr(Restorer, "__call__", fail_twice)
    with pytest.raises(SystemExit) as ended:
        restore("input=*.png", "output=out")
    text = str(ended.value)
    assert "2 of 3 pictures failed" in text
    assert "a.png: KeyError: 'channels'" in text
    assert "b.png: out of memory: lower memory" in text
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["c.png"]
