"""Decide which option helps, and say how sure that is: denoise study study=attention plan."""

import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from denoise.benchmark.timing import compare
from denoise.cli.compose import as_list, compose_config
from denoise.cli.hydra_main import hydra_main
from denoise.image_io.errors import ImageError
from denoise.malloc import tune_malloc
from denoise.option_checks import check_choice
from denoise.plain_text import to_json
from denoise.results.tables import echo, markdown
from denoise.study.adopt import adopt
from denoise.study.declaration import Study, declare
from denoise.study.equalise import Size, equalise
from denoise.study.execute import Worker, finished
from denoise.study.measure import measure
from denoise.study.plan import hours, not_equal, plan_rows, time_step
from denoise.study.runs import Planner, Run
from denoise.study.store import REGISTERED, Store, read_json, write_whole
from denoise.training.resume import SUPERVISED

ACTIONS = ("plan", "run", "latency", "report")
PLAN = "plan.json"
LATENCY_SIDE = 256  # pixels


def study(config: DictConfig) -> None:
    """Plan a study, make its runs, and report what they show.

    It can be ended at any moment and started again: finished runs are kept, a broken-off one goes
    on from its last checkpoint.
    """
    actions = as_list(config.action)
    for action in actions:
        check_choice(ACTIONS, action=action)
    tune_malloc()
    options: Any = OmegaConf.to_container(config.study, resolve=True, throw_on_missing=True)
    declared, store = declare(options), Store(Path(config.out))
    if actions != ["report"]:
        sizes = _sizes(declared, store)
    if "plan" in actions:
        _print_plan(config, declared, store, sizes)
    if "run" in actions:
        equal = {name: size.overrides for name, size in sizes.items()}
        _run(config, declared, store, Planner(declared, _resolved, equal), options)
    if "latency" in actions:
        _latency(config, declared, store, sizes)
    if "report" in actions:
        try:
            _report(config, declared, store, options)
        except ValueError as error:
            if actions == ["report"]:
                raise
            echo(f"no report yet: {error}")


def _run(
    config: DictConfig, declared: Study, store: Store, planner: Planner, options: dict[str, Any]
) -> None:
    if config.publish is not None and (taken := adopt(Path(config.publish), store)):
        echo(f"{taken} runs are taken from {config.publish}")
    for change in store.register(_registered(options)):
        echo(f"departs from what was registered: {change}")
    if config.retry:
        echo(f"{store.forget_failures()} failed runs are made again")
    torch.set_num_threads(config.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    arms = None if config.arms is None else as_list(config.arms)
    for arm in arms or ():
        check_choice([arm.name for arm in declared.arms], arms=arm)
    images = cache(partial(_images, config))

    def score(run: Run, checkpoint: Path) -> Any:
        return measure(checkpoint, images, run.rung.scoring, device)

    worker = Worker(
        planner, store, score, threads=config.threads, say=echo, arms=arms,
        options=[
            f"data_dir={config.data_dir}", f"memory_limit={config.memory_limit}",
            f"plugins=[{','.join(map(str, config.plugins))}]",
        ],
    )  # fmt: skip

    def after() -> None:
        progress = worker.progress()
        runs = list({run.key: run for run in planner.known(progress)}.values())
        analysed = [
            run
            for rung in declared.rungs
            for run in planner.analysed(planner.arms_of(rung, progress), rung, progress)
        ]
        store.write_tables(runs, analysed, declared.factors)
        echo(_expected_end(store, runs, worker.open_runs(progress)))

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the training as well
    worker.work(config.limit, after)
    after()


def _report(config: DictConfig, declared: Study, store: Store, options: dict[str, Any]) -> None:
    """Write the report from the tables; images and checkpoints add examples where they are here."""
    try:
        from denoise.study.publish import publish
        from denoise.study.report import write_report
    except ImportError as error:
        raise ValueError(f"the report needs {error.name}: pip install 'denoise[study]'") from error
    from denoise.study.examples import add_examples

    store.write_curves()
    images = cache(partial(_images, config))
    try:
        store.describe_images(declared, images)
        add_examples(store, declared, images)
    except (OSError, ImageError) as error:
        echo(f"without examples: {error}")
    registered = read_json(store.folder / REGISTERED)
    changes = store.changes(_registered(options)) if registered else []
    page = write_report(store.folder, declared, registered, changes)
    echo(f"report  {page}")
    if config.publish is not None:
        echo(*publish(store.folder, Path(config.publish)))


def _registered(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "add"}


def _images(config: DictConfig, option: str) -> Any:
    chosen = compose_config(f"data@test={option}", "run_dir=.", f"data_dir={config.data_dir}")
    return instantiate(chosen.test, _convert_="all")


def _expected_end(store: Store, runs: Sequence[Run], left: Sequence[Run]) -> str:
    """Return a line on how many runs are made, and when those that are known now will be."""
    state = finished(store, runs)
    line = f"{len(runs) - len(left)} of {len(runs)} runs"
    if state["failed"]:
        line += f", {state['failed']} failed"
    if left and state["seconds a step"]:
        seconds = state["seconds a step"] * sum(run.rung.steps for run in left)
        end = datetime.now() + timedelta(seconds=seconds)
        line += f"; {seconds / 3600:.1f} h on one worker, until {end:%a %H:%M}"
    return line


def _resolved(overrides: Sequence[str]) -> dict[str, Any]:
    """Resolve the config of a training, with paths that are the same on every machine."""
    config = compose_config(*overrides, "run_dir=.", "data_dir=data")
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    if resolved["objective"] == SUPERVISED:  # runs of before there were others keep their names
        del resolved["objective"]
    if resolved["range"] == "auto":
        del resolved["range"]
    return resolved


def _build(overrides: Sequence[str]) -> nn.Module:
    net: nn.Module = instantiate(compose_config(*overrides).backbone, _convert_="all")
    return net


def _sizes(declared: Study, store: Store) -> dict[str, Size]:
    """Return the sizes of the arms; they are computed once for the same configs."""
    path = store.folder / "sizes.json"
    asked = {
        arm.name: [declared.equalise, *declared.base, *declared.reference, *arm.overrides]
        for arm in declared.arms
    }
    kept = json.loads(path.read_text()) if path.is_file() else {}
    if any(kept.get(name, {}).get("asked") != asked[name] for name in asked):
        echo(f"giving {len(asked)} arms the same {declared.equalise}")
        dim = compose_config(*declared.base).backbone.dim
        found = equalise(declared, _build, dim)
        kept |= {n: {"asked": asked[n], "size": size._asdict()} for n, size in found.items()}
        write_whole(path, to_json(kept))
    return {
        name: Size(**kept[name]["size"] | {"overrides": tuple(kept[name]["size"]["overrides"])})
        for name in asked
    }


def _latency(config: DictConfig, declared: Study, store: Store, sizes: dict[str, Size]) -> None:
    """Time the inference of all arms, interleaved; nothing else should run on the machine."""
    torch.set_num_threads(config.threads)
    noisy = torch.rand(1, compose_config(*declared.base).channels, LATENCY_SIDE, LATENCY_SIDE)
    sigma = torch.full((1,), 25.0)
    nets = {
        arm.name: _build((*declared.base, *arm.overrides, *sizes[arm.name].overrides)).eval()
        for arm in declared.arms
    }
    calls = {name: partial(net, noisy, sigma) for name, net in nets.items()}
    with torch.inference_mode():
        rows = compare(calls, rounds=config.rounds, progress="timing", memory=False)
    echo(markdown(rows), f"written to {store.save_latency(rows)}")


def _print_plan(config: DictConfig, declared: Study, store: Store, sizes: dict[str, Size]) -> None:
    train = compose_config(*declared.base)
    seconds: dict[str, float] = {}
    if config.steps_per_second is not None:
        seconds = {arm.name: 1 / config.steps_per_second for arm in declared.arms}
    else:
        torch.set_num_threads(config.threads)
        for arm in declared.arms:
            net = _build((*declared.base, *arm.overrides, *sizes[arm.name].overrides))
            seconds[arm.name] = time_step(net, train.channels, train.batch, train.patch)
    rows, rungs = (
        plan_rows(declared, sizes, seconds.__getitem__),
        hours(declared, seconds.__getitem__),
    )
    echo(f"{declared.name}: {declared.question}", "", markdown(rows), markdown(rungs))
    echo(f"about {sum(row['hours'] for row in rungs):.1f} h on one worker, scoring not included")
    for sentence in not_equal(declared, sizes):
        echo(sentence)
    plan = {"written": time.strftime("%Y-%m-%d"), "arms": rows, "rungs": rungs}
    write_whole(store.folder / PLAN, to_json(plan))


main = hydra_main(study, positional="action")

if __name__ == "__main__":
    main()
