"""The wheel holds what a run needs, and the project declares what it imports."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from harness import ROOT
from runs import QUICK

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMAND = [sys.executable, "-m", "denoise.cli.main"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def run_installed(wheel, tmp_path_factory):
    """Run Python on the unpacked wheel alone, in an empty folder."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}

    def run(command):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    return run


def files_below(folder):
    paths = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts}


def test_the_wheel_holds_code_configs_and_templates_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = f"denoise-{PROJECT['version']}.dist-info/"
    package = {name for name in names if not name.startswith(metadata)}
    configs = {f"denoise/{name}" for name in files_below("configs")}
    assert package == configs | files_below("denoise")
    assert {"denoise/configs/train.yaml", "denoise/py.typed", "denoise/api.py"} <= package
    assert f"{metadata}licenses/LICENSE" in names


def test_the_wheel_describes_itself(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folder = f"denoise-{PROJECT['version']}.dist-info"
        metadata = archive.read(f"{folder}/METADATA").decode()
        scripts = archive.read(f"{folder}/entry_points.txt").decode()
    for line in (
        "License-Expression: Apache-2.0",
        "Author: The denoise authors",
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
    ):
        assert f"\n{line}\n" in metadata
    assert "denoise = denoise.cli.main:main" in scripts


def test_versions_agree():
    release = PROJECT["version"].partition(".dev")[0]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == release
    assert f"\nversion: {release}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_installed_package_works_from_another_folder(run_installed):
    assert "restore" in run_installed([*COMMAND, "--help"])
    code = "import denoise; print(denoise.__file__, denoise.options('norm'))"
    told = run_installed([sys.executable, "-c", code])
    assert str(ROOT) not in told
    assert "'dyt'" in told


@pytest.mark.slow
def test_the_installed_commands_run(run_installed):
    from PIL import Image
    from skimage.data import chelsea

    folder = run_installed.folder
    (folder / "photos").mkdir()
    Image.fromarray(chelsea()[:40, :50]).save(folder / "photos" / "cat.png")
    run_installed([*COMMAND, "train", *QUICK, "trainer.max_steps=2", "hydra.run.dir=a run"])
    checkpoint = "checkpoint=a run/checkpoints/best.ckpt"
    photos = ("data=folder", "data.folder.path=photos")
    assert "cat" in run_installed([*COMMAND, "evaluate", checkpoint, *photos])
    run_installed([*COMMAND, "restore", checkpoint, "input=photos/cat.png", "output=clean.png"])
    run_installed([*COMMAND, "export", checkpoint, "output=exported"])
    with Image.open(folder / "clean.png") as image:
        assert image.size == (50, 40)
    assert (folder / "exported" / "model.safetensors").is_file()


def deptry(config):
    command = [sys.executable, "-m", "deptry", "denoise", "--no-ansi", "--config", config]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_dependencies_are_those_that_are_imported():
    done = deptry(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stderr


def test_a_missing_and_a_needless_dependency_are_found(tmp_path):
    project = (ROOT / "pyproject.toml").read_text()
    changed, count = re.subn(r'"tifffile>=[^"]*"', '"packaging"', project)
    assert count == 1
    (tmp_path / "pyproject.toml").write_text(changed)
    done = deptry(tmp_path / "pyproject.toml")
    assert done.returncode == 1
    assert re.search(r"DEP00[13] 'tifffile' imported", done.stderr)
    assert "DEP002 'packaging' defined as a dependency but not used" in done.stderr
