"""Nothing needs a module that only Linux or macOS has, or a library that is an extra."""

import subprocess
import sys

import pytest
from harness import ROOT
from pictures import noise, save_pil

UNIX = ("fcntl", "resource", "termios", "tty", "pwd", "grp", "syslog")
EXTRAS = ("gradio", "wandb", "mlflow", "openvino", "natten", "bm3d", "deepinv", "optuna", "rawpy")
HIDE = f"import sys; sys.modules.update(dict.fromkeys({(*UNIX, *EXTRAS)}))\n"


def run(code, folder, *words):
    command = [sys.executable, "-c", HIDE + code, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_every_module_is_imported_without_them():
    code = (
        "import denoise, importlib, pkgutil\n"
        "for module in pkgutil.walk_packages(denoise.__path__, 'denoise.'):\n"
        "    importlib.import_module(module.name)\n"
        "    print(module.name)"
    )
    done = run(code, ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("\n") > 150


@pytest.mark.parametrize("command", ["restore", "evaluate"])
def test_commands_run_without_them(tmp_path, command):
    save_pil(tmp_path / "a.png", noise(3, "u1", (32, 40)))
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from denoise.cli.{command} import main\n"
    words = {
        "restore": ("input=a.png", "output=b.png", "memory=2GiB"),
        "evaluate": ("checkpoint=color", "data=folder", "data.folder.path=.", "sigma=25"),
    }[command]
    done = run(f"{code}main()", tmp_path, *words)
    assert done.returncode == 0, done.stderr[-2000:]
