"""Random numbers that depend on a name and a seed, not on what was drawn before."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def named_seed(seed: int, name: str) -> Iterator[None]:
    """Seed torch's generator of the CPU by a seed and a name, and restore it at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{seed} {name}".encode()))  # it takes 32 bits
        yield
