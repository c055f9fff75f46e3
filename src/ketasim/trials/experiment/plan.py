"""What happens in each arm of an experiment: doses, inputs over time, and when is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.errors import ModelError, unknown_name
from ketasim.model.chain import Chain
from ketasim.model.parameters import ParameterSet
from ketasim.model.times import output_times
from ketasim.trials.causes import find_cause
from ketasim.trials.experiment.definition import Experiment
from ketasim.trials.experiment.parts import ExperimentArm
from ketasim.trials.experiment.readings import window_of
from ketasim.units import convert, parse_quantity

__all__ = ["ArmPlan", "arm_parameters", "end_of_doses", "plan_arm"]

FloatArray = npt.NDArray[np.float64]

#: A run with causes that are switched on begins so long before the first of them, so that rest is seen.
_LEAD_H = 1.0
#: Hours after a cause begins or ends at which courses are read.
_AFTER_CAUSE = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0])
#: Points on the line from which a half-life is read.
_HALF_LIFE_POINTS = 9


@dataclass(frozen=True)
class ArmPlan:
    """What happens in one arm, on the clock of the run.

    Parameters
    ----------
    arm : ExperimentArm
        The arm.
    offset_h : float
        Time of the first dose of the experiment on the clock of the run.
    regimen : Regimen
        Doses.
    times_h : array, shape (times,)
        When is read; the first time is 0, before anything is given.
    resting : dict of str to float
        Inputs that are there at rest, in their units.
    steps : tuple of (str, float, float)
        Input, time in h, and what it is from then on.
    """

    arm: ExperimentArm
    offset_h: float
    regimen: Regimen
    times_h: FloatArray
    resting: Mapping[str, float]
    steps: tuple[tuple[str, float, float], ...]


def end_of_doses(experiment: Experiment) -> float:
    """End of the last dose of any arm, in h after the first one; 0 without doses."""
    ends = [dose.start_h + (dose.duration_h or 0.0) for arm in experiment.arms for dose in arm.dosing.doses]
    return max(ends, default=0.0)


def arm_parameters(arm: ExperimentArm, parameters: ParameterSet) -> tuple[ParameterSet, frozenset[str]]:
    """Parameters of an arm, and which of them it sets itself.

    Options come first, then causes that are parameters, then what the arm sets.
    """
    chosen = parameters.with_options(arm.options)
    own: dict[str, float] = {}
    for use in arm.causes:
        for cause in find_cause(use.cause):
            if cause.kind == "parameter":
                unit = parameters[cause.target].unit
                own[cause.target] = convert(use.value(cause), cause.unit, unit)
    chosen = chosen.with_values(own).with_texts(arm.set, f"arm {arm.id}: set")
    return chosen, frozenset((*own, *arm.set))


def plan_arm(
    experiment: Experiment, arm: ExperimentArm, chain: Chain, extra_h: Iterable[float] = ()
) -> ArmPlan:
    """Lay out one arm.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    arm : ExperimentArm
        One of its arms.
    chain : Chain
        Knows the inputs.
    extra_h : iterable of float
        Further times at which is read, in h after the first dose.

    Raises
    ------
    ModelError
        If the model has no such input.
    """
    spans = _input_spans(arm, chain)
    resting: dict[str, float] = {}
    steps: list[tuple[str, float, float]] = []
    for name, parts in spans.items():
        default = chain.inputs[name].default
        before = _strongest(parts, -math.inf, default)
        if before != default:
            resting[name] = before
        edges = sorted({edge for start, end, _ in parts for edge in (start, end) if math.isfinite(edge)})
        steps += [(name, edge, _strongest(parts, edge, default)) for edge in edges]
    first = min((time for _, time, _ in steps), default=0.0)
    offset = _LEAD_H - min(first, 0.0) if steps else 0.0
    times = _times(experiment, arm, [time for _, time, _ in steps], extra_h) + offset
    # An input has its first value from the beginning of the run on: what is there before is told too.
    begun = [(name, 0.0, resting.get(name, chain.inputs[name].default)) for name, *_ in steps]
    return ArmPlan(
        arm,
        offset,
        arm.dosing.shifted(offset),
        times if offset == 0.0 else np.concatenate([[0.0], times]),
        resting,
        (*dict.fromkeys(begun), *((name, time + offset, value) for name, time, value in steps)),
    )


def _input_spans(arm: ExperimentArm, chain: Chain) -> dict[str, list[tuple[float, float, float]]]:
    """For each input when it is on and how strongly: start and end in h, and the value in its unit."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for use in arm.causes:
        for cause in find_cause(use.cause):
            if cause.kind != "input":
                continue
            _known(cause.target, chain)
            value = convert(use.value(cause), cause.unit, chain.inputs[cause.target].unit)
            found.setdefault(cause.target, []).append((*use.span_h(cause), value))
    for name, text in arm.inputs.items():
        _known(name, chain)
        value = parse_quantity(text, chain.inputs[name].unit, f"arm {arm.id}: inputs: {name}")
        found.setdefault(name, []).append((-math.inf, math.inf, value))
    return found


def _known(name: str, chain: Chain) -> None:
    if name not in chain.inputs:
        raise ModelError(f"experiment: {unknown_name('input', name, chain.inputs)}")


def _strongest(parts: Iterable[tuple[float, float, float]], time: float, default: float) -> float:
    """Value of an input at a time; of several causes the strongest counts."""
    on = [value for start, end, value in parts if start <= time < end]
    return max(on, default=default)


def _times(
    experiment: Experiment, arm: ExperimentArm, changes: Iterable[float], extra_h: Iterable[float]
) -> FloatArray:
    """When an arm is read, in h after the first dose."""
    last = end_of_doses(experiment)
    wanted = [np.array([0.0, *extra_h])]
    spans = []
    for row in experiment.observations:
        if arm.id not in row.all_arms:
            continue
        for _, measure, time_h, until_h in row.readings:
            start, end = window_of(measure, time_h, until_h, last)
            wanted.append(np.array([start, end]))
            if measure == "half_life":
                wanted.append(np.linspace(start, end, _HALF_LIFE_POINTS))
            elif end > start:
                spans.append((start, end))
    if spans:
        every = output_times(arm.dosing, max(end for _, end in spans))
        after = [edge + _AFTER_CAUSE for edge in changes]
        every = np.concatenate([every, *after])
        wanted += [every[(every >= start) & (every <= end)] for start, end in spans]
    found = np.unique(np.concatenate(wanted))
    # Times that rounding tore apart are one.
    return np.asarray(found[np.concatenate([[True], np.diff(found) > 1e-9])], dtype=np.float64)
