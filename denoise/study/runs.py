"""The runs of a study: what is known of them now, in the order in which they are made."""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoise.plain_text import to_json
from denoise.study.declaration import DECAY, Arm, Rung, Study

# Options that change where a run reads, writes and computes, not what it trains.
NOT_HASHED = (
    "plugins", "run_dir", "run_name", "name", "data_dir", "memory_limit", "on_error", "resume",
    "pictures", "logger", "callbacks", "baseline", "compile", "score", "test", "init_strict",
)  # fmt: skip

Overrides = tuple[str, ...]
# Resolved config of a training with overrides, in plain containers.
Compose = Callable[[Sequence[str]], dict[str, Any]]


def folder_of(rung: str, arm: str, seed: int, rate: float, key: str) -> Path:
    """Return the folder of a run below that of its study."""
    return Path("runs") / rung / f"{arm},seed={seed},rate={rate:g}-{key}"


@dataclass(frozen=True)
class Run:
    """A training of one arm with one seed and learning rate, to the end of a rung.

    Attributes:
        arm: What it trains.
        seed: Of crops, noise and weights.
        rate: Factor on the learning rate.
        rung: Its budget.
        overrides: Of denoise train.
        key: Hash of its resolved config and of the run that it continues.
        before: The run that it continues.
    """

    arm: Arm
    seed: int
    rate: float
    rung: Rung
    overrides: Overrides
    key: str
    before: "Run | None" = None

    @property
    def folder(self) -> Path:
        """Return its folder below that of the study."""
        return folder_of(self.rung.name, self.arm.name, self.seed, self.rate, self.key)

    @property
    def decay_begins(self) -> int:
        """Return the step from which a longer run goes on."""
        return round((1 - DECAY) * self.rung.steps)


@dataclass(frozen=True)
class Progress:
    """What is known of the finished runs of a study, by their keys.

    Attributes:
        validation: PSNR of the validation in dB; None for a run that failed.
        chosen: Mean PSNR in dB on the images that choose; None for a run that failed.
    """

    validation: Mapping[str, float | None]
    chosen: Mapping[str, float | None]

    def score(self, run: Run) -> float:
        """Return the validation of a run; minus infinity for a failed one."""
        value = self.validation[run.key]
        return float("-inf") if value is None else value


class Planner:
    """Enumerates the runs of a study.

    Args:
        study: What is declared.
        compose: Resolves a training's config.
        equalised: Overrides that give each arm the common size, by the arm's name.
    """

    def __init__(self, study: Study, compose: Compose, equalised: Mapping[str, Overrides]) -> None:
        self.study, self.compose, self.equalised = study, compose, equalised
        self._runs: dict[tuple[str, int, float, str], Run] = {}
        self._configs: dict[Overrides, dict[str, Any]] = {}

    def run(self, arm: Arm, seed: int, rate: float, rung: Rung) -> Run:
        """Return a run of a rung, which goes on where that of the rung before stopped."""
        index = (arm.name, seed, rate, rung.name)
        if index not in self._runs:
            number = self.study.rungs.index(rung)
            earlier = self.study.rungs[number - 1] if number else None
            continues = earlier is not None and seed in earlier.seeds
            before = self.run(arm, seed, rate, earlier) if earlier and continues else None
            common = (*self.study.base, *arm.overrides, *self.equalised.get(arm.name, ()))
            config = self._config(common)
            rates = (
                f"{option}={_select(config, option) * rate:.6g}"
                for option in (self.study.rate_options if rate != 1 else ())
            )
            budget = f"seed={seed}", f"trainer.max_steps={rung.steps}", "trainer.max_time=null"
            own = (*rates, *budget)
            key = config_key(config, own, before.key if before else "")
            self._runs[index] = Run(arm, seed, rate, rung, (*common, *own), key, before)
        return self._runs[index]

    def _config(self, overrides: Overrides) -> dict[str, Any]:
        """Compose a config once: it takes a part of a second."""
        if overrides not in self._configs:
            self._configs[overrides] = self.compose(overrides)
        return self._configs[overrides]

    def known(self, progress: Progress) -> Iterator[Run]:
        """Yield the runs that are decided by now; later ones wait for the scores of these.

        All arms get the first seed before any gets the second, and both before other learning
        rates are tried; the controls come first.
        """
        arms = list(self.study.arms)
        for number, rung in enumerate(self.study.rungs):
            if number:
                before = self.study.rungs[number - 1]
                if not self.complete(arms, before, progress):
                    return
                arms = self.promoted(arms, rung, before, progress)
            else:
                yield from (self.run(arm, seed, 1, rung) for seed in rung.seeds for arm in arms)
                for rate in self.study.rates:
                    yield from (self.run(arm, rung.seeds[0], rate, rung) for arm in arms)
                for arm in arms:
                    if (wider := self._beyond(arm, progress)) is not None:
                        yield self.run(arm, rung.seeds[0], wider, rung)
            yield from self.analysed(arms, rung, progress)

    def _tried(self, arm: Arm, progress: Progress) -> dict[float, float] | None:
        """Return the validation by learning rate; None where one of the declared is missing."""
        first = self.study.rungs[0]
        runs = [self.run(arm, first.seeds[0], rate, first) for rate in self._grid(arm, progress)]
        if any(run.key not in progress.validation for run in runs):
            return None
        return {run.rate: progress.score(run) for run in runs}

    def _grid(self, arm: Arm, progress: Progress) -> list[float]:
        """Return the declared learning rates, and those added beyond a winner at the edge."""
        first, grid = self.study.rungs[0], list(self.study.rates)
        for _ in range(self.study.widen if len(grid) > 1 else 0):
            runs = {rate: self.run(arm, first.seeds[0], rate, first) for rate in grid}
            if any(run.key not in progress.validation for run in runs.values()):
                break
            best = max(runs, key=lambda rate: progress.score(runs[rate]))
            if best not in (min(grid), max(grid)):
                break
            grid.append(best * 2 if best == max(grid) else best / 2)
        return grid

    def _beyond(self, arm: Arm, progress: Progress) -> float | None:
        """Return the rate beyond the edge that is still to be tried."""
        first = self.study.rungs[0]
        for rate in self._grid(arm, progress)[len(self.study.rates) :]:
            if self.run(arm, first.seeds[0], rate, first).key not in progress.validation:
                return rate
        return None

    def rate(self, arm: Arm, progress: Progress) -> float | None:
        """Return the learning rate with the best validation; None before all were tried."""
        tried = self._tried(arm, progress)
        return max(tried, key=lambda rate: tried[rate]) if tried else None

    def analysed(self, arms: Sequence[Arm], rung: Rung, progress: Progress) -> list[Run]:
        """Return the runs of a rung that are scored: those at the best learning rates.

        Until all rates of an arm were tried, those at the declared one stand for them.
        """
        rates = {arm.name: self.rate(arm, progress) or 1 for arm in arms}
        return [self.run(arm, seed, rates[arm.name], rung) for seed in rung.seeds for arm in arms]

    def complete(self, arms: Sequence[Arm], rung: Rung, progress: Progress) -> bool:
        """Return whether all rates were tried, and all runs of a rung are scored or have failed."""
        return all(self.rate(arm, progress) for arm in arms) and all(
            run.key in progress.chosen for run in self.analysed(arms, rung, progress)
        )

    def promoted(
        self, arms: Sequence[Arm], rung: Rung, before: Rung, progress: Progress
    ) -> list[Arm]:
        """Return the arms of a rung: the best of the one before, controls and a random loser.

        Arms that were added after the registration are carried on, and push nobody out.
        """
        if rung.keep is None:
            return list(arms)
        means: dict[str, float] = {}
        for arm in arms:
            runs = self.analysed([arm], before, progress)
            values = [progress.chosen[run.key] for run in runs]
            failed = any(value is None for value in values)
            means[arm.name] = (
                float("-inf") if failed else sum(v for v in values if v is not None) / len(values)
            )
        free = [arm for arm in arms if not self.study.is_control(arm) and not arm.added]
        ranked = sorted(free, key=lambda arm: -means[arm.name])
        kept, losers = ranked[: rung.keep], ranked[rung.keep :]
        alive = [arm for arm in losers if means[arm.name] > float("-inf")]
        if alive:
            kept.append(random.Random(self.study.name).choice(alive))
        return [arm for arm in arms if self.study.is_control(arm) or arm.added or arm in kept]

    def arms_of(self, rung: Rung, progress: Progress) -> list[Arm]:
        """Return the arms of a rung; none before it is decided."""
        arms = list(self.study.arms)
        for earlier, later in zip(self.study.rungs, self.study.rungs[1:], strict=False):
            if earlier == rung:
                break
            if not self.complete(arms, earlier, progress):
                return []
            arms = self.promoted(arms, later, earlier, progress)
        return arms


def config_key(config: Mapping[str, Any], own: Sequence[str] = (), before: str = "") -> str:
    """Return the hash of a run, without what does not change the trained weights.

    Args:
        config: Resolved config that the runs of an arm share.
        own: Overrides of the run.
        before: Hash of the run that it continues.
    """
    content = {key: value for key, value in config.items() if key not in NOT_HASHED}
    parts = {"config": _sorted(content), "own": sorted(own), "before": before}
    text = to_json(parts, indent=None)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sorted(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _sorted(content[key]) for key in sorted(content, key=str)}
    return [_sorted(one) for one in content] if isinstance(content, list | tuple) else content


def _select(config: Mapping[str, Any], option: str) -> float:
    node: Any = config
    for part in option.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ValueError(f"study.rate_options: there is no option {option}; give optimizer.lr")
        node = node[part]
    return float(node)
