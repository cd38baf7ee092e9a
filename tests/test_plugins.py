"""Parts of a package outside the repository: trusted by the user's word, not by a file's."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from harness import ROOT
from PIL import Image
from runs import QUICK

import denoise
from denoise import plugins
from denoise.weights.read import CheckpointError

MIXER = """
import torch
from torch import nn

from denoise.properties import Mixer, MixerProperties
from denoise.receptive_field import Radius

open("imported", "w").close()


class Gate(Mixer):
    def __init__(self, dim, num_heads, block_index, *, kernel_size=3):
        super().__init__()
        self.gate = nn.Conv2d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)
        self.project_out = nn.Conv2d(dim, dim, 1)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)
        self.properties = MixerProperties(
            family="gating", complexity="N", receptive_field=Radius(kernel_size // 2),
            shift_period=1,
        )

    def forward(self, x):
        return self.project_out(x * torch.sigmoid(self.gate(x)))


def careless(*args, **kwargs):
    open("exploded", "w").close()
"""
YAML = "_target_: mygates.Gate\n_partial_: true\nkernel_size: 5\n"


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Forget what a test trusted and imported."""
    monkeypatch.setattr(plugins, "_trusted", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mygates", "mine")]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path):
    """A package with a configs folder, which names its attention `gate`."""
    folder = tmp_path / "mygates"
    (folder / "configs" / "attention").mkdir(parents=True)
    (folder / "__init__.py").write_text(MIXER)
    (folder / "configs" / "attention" / "gate.yaml").write_text(YAML)
    return folder


def train(command, *words):
    command("train", *QUICK, "trainer.max_steps=2", "hydra.run.dir=run", "pictures=false", *words)


def test_from_training_to_the_exported_model(command, photos, package, tmp_path, capfd):
    train(command, "attention=gate", "attention.kernel_size=7", "plugins=[./mygates]")
    best = "checkpoint=run/checkpoints/best.ckpt"
    trust = "plugins=[./mygates]"
    capfd.readouterr()
    command("evaluate", best, trust, "data=folder", "data.folder.path=photos", "sigma=25")
    assert "average of 2" in capfd.readouterr().out
    command("restore", best, trust, "input=photos/cat.png", "output=clean.png", "memory=4GiB")
    restored = np.asarray(Image.open(tmp_path / "clean.png"))
    command("export", best, trust, "output=exported", "format=[safetensors,onnx]")
    command("restore", "checkpoint=exported", trust, "input=photos/cat.png", "output=again.png",
            "memory=4GiB")  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), restored)
    model = denoise.load(tmp_path / "exported", plugins=[str(package)])
    sizes = {m.kernel_size for m in model.net.modules() if isinstance(m, torch.nn.Conv2d)}
    assert (7, 7) in sizes
    train(command, "attention=gate", "attention.kernel_size=7", trust, "trainer.max_steps=3",
          "resume=run/checkpoints/last.ckpt", "hydra.run.dir=again")  # fmt: skip
    assert "continuing from" in capfd.readouterr().out


def test_training_refuses_before_the_first_step_what_nobody_could_load(
    command, photos, package, monkeypatch
):
    monkeypatch.syspath_prepend(package.parent)
    words = "attention=mdta", "backbone.attention={_target_: mygates.Gate, _partial_: true}"
    allow = r"'mygates\.Gate'.* if you trust that package, allow it: plugins=\[mygates\]$"
    with pytest.raises(SystemExit, match=allow):
        train(command, *words)
    assert not list(package.parent.rglob("*.ckpt"))
    train(command, *words, "plugins=[mygates]")
    assert list(package.parent.rglob("best.ckpt"))


def test_a_file_is_never_a_reason_to_run_code(command, photos, package, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    train(command, "attention=gate", "plugins=[./mygates]")
    path = tmp_path / "run" / "checkpoints" / "best.ckpt"
    contents = torch.load(path, weights_only=True)
    forget_all = [name for name in sys.modules if name.startswith("mygates")]
    for name in forget_all:
        del sys.modules[name]
    plugins._trusted.clear()
    (tmp_path / "imported").unlink()
    with pytest.raises(CheckpointError, match=r"'mygates\.Gate'.*allow it: plugins=\[mygates\]"):
        denoise.load(path)
    assert not (tmp_path / "imported").exists()
    for target in ("mygates.careless", "mygates.torch.hub.load", "os.system", "mygates"):
        contents["config"]["backbone"]["attention"] = {"_target_": target}
        torch.save(contents, tmp_path / "evil.ckpt")
        with pytest.raises(CheckpointError, match="not a part of a network") as refused:
            denoise.load(tmp_path / "evil.ckpt", plugins=["mygates"])
        assert ("plugins=[os]" in str(refused.value)) is False
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("names", "answer"),
    [
        (["nothing_of_this_name"], r"nothing_of_this_name cannot be imported \(ModuleNotFound.*"
                                   r"install it, or give its path, as plugins=\[\./mypkg\]"),
        (["./none.py"], r"none\.py cannot be imported \(FileNotFoundError: no file or folder"),
        (["./broken.py"], r"broken\.py cannot be imported \(ZeroDivisionError"),
        (["./ends.py"], r"ends\.py cannot be imported \(SystemExit: 3\)"),
        (["./bare"], r"bare has no __init__\.py: add one"),
        (["os"], "os is a part of Python: name a package of networks"),
        (["./json.py"], "json.py is a part of Python"),
        (["./torch.py"], r"torch\.py is hidden by the installed torch: rename it"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_plugin(tmp_path, monkeypatch, names, answer):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    (tmp_path / "bare").mkdir()
    for name in ("json.py", "torch.py"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=answer):
        plugins.trust(names)


def test_advice_is_given_where_it_helps(tmp_path, monkeypatch):
    (tmp_path / "mygates.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert plugins.remedy("mygates.Gate").endswith("plugins=[mygates]")
    plugins.trust("./mygates.py")
    for target in ("mygates.Gate", "denoise.plugins.trust", "os.system", "gate"):
        assert plugins.remedy(target) == ""


@pytest.mark.parametrize("folder", ["my dir", "100% (a, b)"])
def test_any_folder_will_do(command, photos, package, tmp_path, folder):
    (tmp_path / folder).mkdir()
    package.rename(tmp_path / folder / "mygates")
    train(command, f"plugins=['./{folder}/mygates']", "attention=gate", "score=false")


def test_what_is_no_list_or_no_yaml_is_told_in_a_line(command, photos, package):
    with pytest.raises(SystemExit, match=r"^error: plugins=\[./mygates cannot be read"):
        train(command, "plugins=[./mygates")
    (package / "configs" / "attention" / "gate.yaml").write_text("a: [\nb: {")
    with pytest.raises(SystemExit, match=r"^error: .*gate\.yaml, line \d+: no yaml"):
        train(command, "plugins=[./mygates]", "attention=gate")


def test_an_installed_package_is_named_by_its_entry_point(tmp_path, monkeypatch):
    (tmp_path / "mygates.py").write_text("")
    folder = tmp_path / "mygates-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mygates\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[denoise.plugins]\ngates = mygates\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [module.__name__ for module in plugins.trust(["gates"])] == ["mygates"]
    assert plugins.is_trusted("mygates.Gate")
    assert not plugins.is_trusted("mygates2.Gate")


def test_the_yamls_of_a_folder_of_ones_own(photos, package, tmp_path):
    """Through Hydra's --config-dir, with a package that has none."""
    (package / "configs").rename(tmp_path / "own")
    command = [sys.executable, ROOT / "train.py", "--config-dir=own", *QUICK, "attention=gate",
               "plugins=[./mygates]", "trainer.max_steps=1", "hydra.run.dir=run"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "average of 2" in done.stdout
