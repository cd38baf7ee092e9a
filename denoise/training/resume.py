"""Find the checkpoint that a training run continues from, and what has changed since."""

import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from denoise.weights.load import load_checkpoint
from denoise.weights.read import CheckpointError

log = logging.getLogger(__name__)

# What a run may change and stay the same run: its length, its outputs and where they lie.
FREE = (
    "plugins", "run_name", "run_dir", "data_dir", "memory_limit", "on_error", "resume", "init",
    "init_strict", "pictures", "compile", "logger", "callbacks", "baseline", "test",
    "trainer.max_steps", "trainer.max_time", "trainer.max_epochs", "trainer.val_check_interval",
    "trainer.log_every_n_steps", "trainer.num_sanity_val_steps", "trainer.enable_model_summary",
    "trainer.devices", "trainer.num_nodes", "trainer.accelerator", "trainer.strategy",
    "trainer.profiler", "trainer.deterministic", "trainer.check_val_every_n_epoch",
)  # fmt: skip
SUPERVISED = {"_target_": "denoise.training.objectives.Supervised"}
RESULTS = "results.json"  # beside the folder of the checkpoints of a run that was scored
FREE_LEAVES = ("cache_dir", "memory_limit", "on_error")  # of image sets
AVERAGING = "callbacks.ema.decay"  # what callbacks do to the weights


class FinishedRunError(ValueError):
    """The run that would be continued has done all its steps."""


class Found(NamedTuple):
    """The checkpoint to continue from, its training steps, and the options changed since."""

    path: Path
    steps: int
    changes: list[str]


def find_checkpoint(
    resume: str | None, config: Mapping[str, Any], sweep: Path | None = None
) -> Found | None:
    """Return the checkpoint to continue from, or None to start anew.

    Args:
        resume: a path, None, or "auto": the newest below the run's own folder, outputs/ and
            multirun/ of a run with the same options, but for its length and outputs.
        config: resolved config of the run about to start, in plain containers.
        sweep: folder of the sweep that the run belongs to, whose other runs are left alone.

    Raises:
        CheckpointError: if the file is not a checkpoint of this project or holds another backbone
            or optimizer.
        FinishedRunError: if the run has no steps left.
    """
    if resume is None:
        return None
    if resume != "auto":
        contents = load_checkpoint(resume)
        changes = changed_options(contents["config"], config)
        _check_same_network(Path(resume), contents["config"], config)
        return _unfinished(Found(Path(resume), _steps(contents), changes), contents, config)
    for path in _candidates(Path(config["run_dir"]), sweep):
        try:
            contents = load_checkpoint(path)
            if not changed_options(contents["config"], config):
                return _unfinished(Found(path, _steps(contents), []), contents, config)
        except FinishedRunError:
            raise
        except (CheckpointError, LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("resume=auto passes over %s", error)
    return None


def changed_options(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the options that make a run and differ, each as `option old -> new`."""
    was, now = dict(_options(old)), dict(_options(new))
    return [
        f"{name} {was.get(name)} -> {now.get(name)}"
        for name in dict.fromkeys([*was, *now])
        if was.get(name) != now.get(name)
    ]


def _options(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the options that make a run, by dotted name; lists are values."""
    if name == "objective" and node == SUPERVISED:  # as before there were others
        return
    if isinstance(node, Mapping):
        for key, value in node.items():
            inner = f"{name}.{key}" if name else str(key)
            if inner in FREE or key in FREE_LEAVES:
                continue
            yield from _options(value, inner)
        if not name and isinstance(node.get("callbacks"), Mapping) and "ema" in node["callbacks"]:
            yield AVERAGING, node["callbacks"]["ema"]["decay"]
    elif node not in (None, [], {}) and (name.rpartition(".")[2], node) != ("range", "auto"):
        yield name, node


def _candidates(folder: Path, sweep: Path | None) -> list[Path]:
    """Return the checkpoints that may be continued, the newest first, best after last."""
    last = {path for root in ("outputs", "multirun") for path in Path(root).rglob("last.ckpt")}
    own = folder / "checkpoints" / "last.ckpt"
    siblings = {
        path for path in last if sweep is not None and sweep.resolve() in path.resolve().parents
    }
    found = sorted(
        [path for path in {*(last - siblings), own} if path.is_file()],
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    both = (path for last in found for path in (last, last.with_name("best.ckpt")))
    return [path for path in both if path.is_file()]


def _check_same_network(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse what a continuation cannot take over.

    Raises:
        CheckpointError: if the backbone or the kind of optimizer differs.
    """
    if old["backbone"] != new["backbone"]:
        raise CheckpointError(
            f"{path}: was trained with another backbone, attention, norm or feedforward; "
            "give the same overrides as then, or start from its weights with init="
        )
    optimizers = [config.get("optimizer", {}).get("_target_") for config in (old, new)]
    if optimizers[0] != optimizers[1]:
        raise CheckpointError(
            f"{path}: was trained with the optimizer {optimizers[0]}, not {optimizers[1]}; choose "
            "that, or start from its weights with init="
        )


def _unfinished(found: Found, contents: Mapping[str, Any], config: Mapping[str, Any]) -> Found:
    """Return what was found, unless it has been trained to its end and scored.

    Raises:
        FinishedRunError: if it has.
    """
    trainer, scored = config["trainer"], found.path.resolve().parent.with_name(RESULTS).is_file()
    timer = contents.get("callbacks", {}).get("Timer", {}).get("time_elapsed", {})
    steps_done = 0 < trainer["max_steps"] <= found.steps
    time_done = _seconds(trainer["max_time"]) <= timer.get("train", 0)
    if scored and (steps_done or time_done):
        raise FinishedRunError(
            f"{found.path}: this run is finished after {found.steps} steps: to go on raise "
            f"trainer.{'max_steps' if steps_done else 'max_time'}; to train anew leave out resume"
        )
    return found


def _seconds(time: str | None) -> float:
    """Return the seconds of days:hours:minutes:seconds; infinite for None."""
    if time is None:
        return math.inf
    days, hours, minutes, seconds = map(int, time.split(":"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _steps(contents: Mapping[str, Any]) -> int:
    return int(contents.get("global_step", 0))
