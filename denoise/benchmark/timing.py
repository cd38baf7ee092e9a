"""Timing by turns: what is compared runs A B A B, so that a noisy machine is fair to all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rich.progress import Progress

from denoise.inference.memory import peak_of

LEAST = 0.02  # seconds a sample takes at least: shorter calls are repeated within it
Row = dict[str, Any]


def compare(
    forms: Mapping[str, Callable[[], Any]], *, rounds: int, progress: str, memory: bool = True
) -> list[Row]:
    """Time calls by turns, after a warm-up, and measure the memory each takes at its peak.

    Args:
        forms: calls by name; the first is the one that the others are compared with.
        rounds: turns of each.
        progress: what the bar on the terminal says.
        memory: whether to measure peak memory as well.

    Returns:
        A row a form: name, median, lower and upper quartile in milliseconds, the first form's
        median over its own ("speedup"), peak memory in MiB beyond what is held before the call.
    """
    samples: dict[str, list[float]] = {name: [] for name in forms}
    with Progress(transient=True) as bar:
        task = bar.add_task(progress, total=len(forms) * (rounds + 1))
        repeats = {}
        for name, form in forms.items():
            form()
            repeats[name] = max(1, round(LEAST / max(_seconds(form, 1), 1e-6)))
            bar.advance(task)
        for _ in range(rounds):
            for name, form in forms.items():
                samples[name].append(_seconds(form, repeats[name]))
                bar.advance(task)
    rows = []
    for name, form in forms.items():
        low, median, high = _quartiles(samples[name])
        row = {"form": name, "ms": 1e3 * median, "q1": 1e3 * low, "q3": 1e3 * high}
        row["speedup"] = statistics.median(samples[next(iter(forms))]) / median
        if memory:
            row["peak MiB"] = peak_of(form) / 2**20
        rows.append(row)
    return rows


def _seconds(form: Callable[[], Any], repeats: int) -> float:
    _finish()
    started = time.perf_counter()
    for _ in range(repeats):
        form()
    _finish()
    return (time.perf_counter() - started) / repeats


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _quartiles(samples: list[float]) -> tuple[float, float, float]:
    if len(samples) < 2:
        return (samples[0],) * 3
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, median, high
