"""The allocator's settings: which they are, where there are none, and that results stay equal."""

import ctypes
import subprocess
import sys

import pytest
from harness import ROOT

from denoise.malloc import LARGE, tune_malloc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of malloc.h
STEP = """
import hashlib, torch
from denoise.feedforward import GDFN
from denoise.malloc import tune_malloc

def step():
    torch.manual_seed(0)
    net, x = GDFN(32), torch.randn(2, 32, 96, 96)
    torch.nn.init.normal_(net.project_out.weight)
    net(x).square().mean().backward()
    return hashlib.sha256(net.project_in.weight.grad.numpy().tobytes()).hexdigest()

before = step()
for large in (True, False):
    tune_malloc(large=large)
    assert step() == before
print("same")
"""


class CLibrary:
    def __init__(self):
        self.settings = {}

    def mallopt(self, option, value):
        self.settings[option] = value
        return 1


@pytest.mark.parametrize("large", [True, False])
def test_freed_memory_is_kept(large, monkeypatch):
    library = CLibrary()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    tune_malloc(large=large)
    assert library.settings[M_MMAP_THRESHOLD] == LARGE
    assert library.settings[M_TRIM_THRESHOLD] == 2**31 - 1  # the largest value of an int
    assert (library.settings[M_MMAP_MAX] == 0) is large


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_c_libraries_are_left_alone(error, monkeypatch):
    def refuse(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    tune_malloc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # macOS has no mallopt
    tune_malloc()


def test_results_do_not_depend_on_the_settings():
    command = [sys.executable, "-c", STEP]  # the settings would outlive this test
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "same\n", done.stderr
