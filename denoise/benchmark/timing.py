"""Interleaved timing: variants run A B A B, so that a noisy machine is fair to all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rich.progress import Progress

from denoise.inference.memory import peak_of

MIN_SECONDS = 0.02  # of a timing: shorter calls are repeated within it
Row = dict[str, Any]


def compare(
    variants: Mapping[str, Callable[[], Any]], *, rounds: int, progress: str, memory: bool = True
) -> list[Row]:
    """Time calls interleaved, after a warm-up, and measure the peak memory of each.

    Args:
        variants: calls by name; the first is the one that the others are compared with.
        rounds: timings of each.
        progress: label of the progress bar.
        memory: whether to measure peak memory as well.

    Returns:
        A row for each variant: name, median, lower and upper quartile in milliseconds, speedup over
        the first variant, and peak memory in MiB beyond what is held before the call.
    """
    timings: dict[str, list[float]] = {name: [] for name in variants}
    with Progress(transient=True) as bar:
        task = bar.add_task(progress, total=len(variants) * (rounds + 1))
        repeats = {}
        for name, variant in variants.items():
            variant()
            repeats[name] = max(1, round(MIN_SECONDS / max(_seconds(variant, 1), 1e-6)))
            bar.advance(task)
        for _ in range(rounds):
            for name, variant in variants.items():
                timings[name].append(_seconds(variant, repeats[name]))
                bar.advance(task)
    rows = []
    for name, variant in variants.items():
        low, median, high = _quartiles(timings[name])
        row = {"variant": name, "ms": 1e3 * median, "q1": 1e3 * low, "q3": 1e3 * high}
        row["speedup"] = statistics.median(timings[next(iter(variants))]) / median
        if memory:
            row["peak MiB"] = peak_of(variant) / 2**20
        rows.append(row)
    return rows


def _seconds(variant: Callable[[], Any], repeats: int) -> float:
    _finish()
    started = time.perf_counter()
    for _ in range(repeats):
        variant()
    _finish()
    return (time.perf_counter() - started) / repeats


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _quartiles(timings: list[float]) -> tuple[float, float, float]:
    if len(timings) < 2:
        return (timings[0],) * 3
    low, median, high = statistics.quantiles(timings, n=4, method="inclusive")
    return low, median, high
