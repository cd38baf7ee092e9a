"""What a study declares before its first run: arms, controls, seeds, rungs, sets and claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from denoise.option_checks import check_choice, check_positive

EQUALISED = ("parameters", "macs", "nothing")
DECAY = 0.2  # share of a rung's steps at whose start the next rung goes on


@dataclass(frozen=True)
class Scoring:
    """The images that the runs of a rung are scored on.

    Attributes:
        sets: Options of the group data.
        sigmas: Noise levels in grey levels.
        draws: Noise fields an image.
        crop: Side of the centre that is scored in pixels; None scores whole images.
    """

    sets: tuple[str, ...]
    sigmas: tuple[float, ...]
    draws: int
    crop: int | None


@dataclass(frozen=True)
class Rung:
    """A budget of training that all arms of a rung get.

    Attributes:
        name: Short name.
        steps: Optimizer steps, those of the rung before included.
        seeds: Seeds of the runs.
        keep: Arms beside the controls that come into this rung from the one before; None keeps all.
        scoring: What its runs are scored on.
    """

    name: str
    steps: int
    seeds: tuple[int, ...]
    keep: int | None
    scoring: Scoring


@dataclass(frozen=True)
class Arm:
    """One thing that is compared: its level of every factor, and its overrides of the config."""

    levels: tuple[str, ...]
    overrides: tuple[str, ...]
    added: bool = False

    @property
    def name(self) -> str:
        """Return the levels as one name."""
        return "+".join(self.levels)


@dataclass(frozen=True)
class Study:
    """A declared study; see docs/study.md for the meaning of its options."""

    name: str
    question: str
    base: tuple[str, ...]
    arms: tuple[Arm, ...]
    factors: tuple[str, ...]
    controls: tuple[str, ...]
    control: str
    rates: tuple[float, ...]
    rate_options: tuple[str, ...]
    widen: int
    rungs: tuple[Rung, ...]
    equalise: str
    reference: tuple[str, ...]
    tolerance: float
    choose: tuple[str, float]
    equivalence: float
    claims: tuple[Mapping[str, Any], ...]

    def control_of(self, arm: Arm) -> Arm | None:
        """Return the arm that an arm is compared with; None for that arm itself."""
        wanted = (self.control, *arm.levels[1:])
        found = next((one for one in self.arms if one.levels == wanted), None)
        return None if found == arm else found

    def is_control(self, arm: Arm) -> bool:
        """Return whether an arm is a control, which every rung keeps."""
        return arm.levels[0] in self.controls


def declare(options: Mapping[str, Any]) -> Study:
    """Check the options of a study and return what they declare.

    The arms are all combinations of the factors' levels. Those of controls come first.

    Args:
        options: Of configs/study/NAME.yaml, in plain containers.

    Raises:
        ValueError: Naming the option that does not fit, and the remedy.
    """
    check_choice(EQUALISED, **{"study.equalise": options["equalise"]})
    factors = {name: list(map(_level, levels)) for name, levels in options["factors"].items()}
    if not factors or not all(factors.values()):
        raise ValueError("study.factors names nothing to compare: give {attention: [mdta, swin]}")
    first = next(iter(factors))
    names = [name for name, _ in factors[first]]
    added = [_level(one) for one in options["add"] if _level(one)[0] not in names]
    factors[first] += added
    controls = tuple(options["controls"])
    check_choice(names, **{"study.control": options["control"]})
    for control in controls:
        check_choice(names, **{"study.controls": control})
    order = {name: rank for rank, name in enumerate(controls)}
    factors[first].sort(key=lambda level: order.get(level[0], len(controls)))  # stable
    new = {name for name, _ in added}
    arms = [_arm(factors, levels, new) for levels in product(*factors.values())]
    if len({arm.name for arm in arms}) < len(arms):
        raise ValueError("study.factors: a level stands twice in a factor; leave one out")
    rungs = tuple(_rung(rung) for rung in options["rungs"])
    if not rungs or [r.steps for r in rungs] != sorted({r.steps for r in rungs}):
        raise ValueError("study.rungs: give rungs in the order of their steps, each with more")
    check_positive(**{"study.tolerance": options["tolerance"]})
    check_positive(**{"study.equivalence": options["equivalence"]})
    if 1 not in options["rates"]:
        raise ValueError("study.rates are factors on the learning rate: 1 must be among them")
    chosen_set, chosen_sigma = options["choose"]["set"], float(options["choose"]["sigma"])
    return Study(
        name=options["name"],
        question=options["question"],
        base=tuple(options["base"]),
        arms=tuple(arms),
        factors=tuple(factors),
        controls=controls,
        control=options["control"],
        rates=tuple(sorted(options["rates"], key=lambda rate: (rate != 1, rate))),
        rate_options=tuple(options["rate_options"]),
        widen=options["widen"],
        rungs=rungs,
        equalise=options["equalise"],
        reference=tuple(options["reference"]),
        tolerance=options["tolerance"],
        choose=(chosen_set, chosen_sigma),
        equivalence=options["equivalence"],
        claims=tuple(options["claims"]),
    )


def _level(level: Any) -> tuple[str, tuple[str, ...] | None]:
    """Return the name of a level, and its overrides unless it is a plain option."""
    if isinstance(level, Mapping):
        ((name, overrides),) = level.items()
        return str(name), tuple(overrides)
    return str(level), None


def _arm(
    factors: Mapping[str, Any], levels: Sequence[tuple[str, tuple[str, ...] | None]], new: set[str]
) -> Arm:
    overrides: list[str] = []
    for factor, (name, given) in zip(factors, levels, strict=True):
        overrides += (f"{factor}={name}",) if given is None else given
    names = tuple(name for name, _ in levels)
    return Arm(names, tuple(overrides), added=names[0] in new)


def _rung(options: Mapping[str, Any]) -> Rung:
    scoring = options["score"]
    check_positive(**{f"study.rungs.{options['name']}.steps": options["steps"]})
    if not options["seeds"] or not scoring["sets"] or scoring["draws"] < 1:
        raise ValueError(f"study.rungs.{options['name']}: give seeds, sets and draws from 1")
    return Rung(
        name=str(options["name"]),
        steps=options["steps"],
        seeds=tuple(options["seeds"]),
        keep=options.get("keep"),
        scoring=Scoring(
            sets=tuple(scoring["sets"]),
            sigmas=tuple(map(float, scoring["sigmas"])),
            draws=scoring["draws"],
            crop=scoring.get("crop"),
        ),
    )
