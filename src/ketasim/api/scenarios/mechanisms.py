"""Mechanism and co-medication in numbers: the values of parameters, and the inputs that are on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ketasim.api.scenarios.choices import comedications, timed_causes
from ketasim.api.scenarios.definition import Amount, Mechanism, as_text
from ketasim.api.scenarios.faults import Fault, ScenarioError, unknown_choice
from ketasim.errors import KetasimError
from ketasim.model.hypotheses import WIRINGS, wired
from ketasim.model.options import load_options
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.pharmacokinetics import COMEDICATIONS
from ketasim.trials.causes import find_cause

__all__ = ["OF_PERSON", "Step", "beside_steps", "typical_values"]

#: Parameters that belong to the person and not to the mechanism.
OF_PERSON: Final = (
    *("weight", "height", "age", "female", "asian", "japanese", "cyp2b6_star6"),
    *("illness_load", "pain_intensity", "opioid_dose"),
)


@dataclass(frozen=True)
class Step:
    """An outside input that is on for a time: ``value`` from ``start_h`` to ``end_h``."""

    name: str
    value: float
    start_h: float
    end_h: float


def typical_values(mechanism: Mechanism) -> tuple[ParameterSet, tuple[str, ...]]:
    """Typical values of a mechanism, and the names of those that it sets itself.

    Parameters
    ----------
    mechanism : Mechanism
        Options are laid over the wiring, and single parameters over both.

    Raises
    ------
    ScenarioError
        With every name that does not exist and every value that cannot be.
    """
    if mechanism.wiring not in WIRINGS:
        raise ScenarioError([unknown_choice("mechanism.wiring", "wiring", mechanism.wiring, WIRINGS)])
    base = wired(load_parameters(), mechanism.wiring)
    fixed = set(WIRINGS[mechanism.wiring].fixed)
    base, chosen = _with_options(base, mechanism.options)
    base = _with_values(base, mechanism.parameters)
    return base, tuple(sorted(fixed | chosen | set(mechanism.parameters)))


def _with_options(base: ParameterSet, wished: Mapping[str, str]) -> tuple[ParameterSet, set[str]]:
    """Values with disputes settled, and the names of what that sets."""
    options, chosen, faults = load_options(), {}, []
    for name, side in wished.items():
        path = f"mechanism.options.{name}"
        if name not in options:
            faults.append(unknown_choice(path, "option", name, options))
        elif side not in options[name].choices:
            faults.append(unknown_choice(path, "choice", side, options[name].choices))
        elif side != options[name].default:
            chosen[name] = side
    if faults:
        raise ScenarioError(faults)
    try:
        changed = base.with_options(chosen) if chosen else base
    except KetasimError as error:
        hint = "Leave one of the two at its default."
        raise ScenarioError([Fault("mechanism.options", str(error), hint=hint)]) from error
    settings = [item for name, side in chosen.items() for item in options[name].choices[side].settings]
    return changed, {item.parameter for item in settings}


def _with_values(base: ParameterSet, wished: Mapping[str, Amount]) -> ParameterSet:
    """Values with some replaced by what is given as text."""
    faults = []
    for name, given in wished.items():
        path, text = f"mechanism.parameters.{name}", as_text(given)
        if name not in base or name in OF_PERSON:
            names = [other for other in base if other not in OF_PERSON]
            faults.append(unknown_choice(path, "parameter", name, names))
            continue
        try:
            base = base.with_texts({name: text}, "parameter")
        except KetasimError as error:
            item = base[name]
            allowed = f"{item.low:g} to {item.high:g} {item.unit}"
            nearest = f"{item.value:g} {item.unit}"
            faults.append(Fault(path, str(error), text, allowed, nearest, f"Plausible is {allowed}."))
    if faults:
        raise ScenarioError(faults)
    return base


def beside_steps(taken: Sequence[str]) -> tuple[Step, ...]:
    """Outside inputs that are on; of two that act on one input the stronger counts.

    Parameters
    ----------
    taken : sequence of str
        Names of :func:`~ketasim.api.scenarios.choices.comedications`.

    Raises
    ------
    ScenarioError
        If a name does not exist.
    """
    names, found, faults = [choice.id for choice in comedications()], [], []
    for place, name in enumerate(taken):
        if name not in names:
            faults.append(unknown_choice(f"setting.comedication.{place}", "drug beside", name, names))
        elif name in COMEDICATIONS:
            found.append(Step(name, 1.0, -math.inf, math.inf))
        elif name in timed_causes():
            causes = find_cause(timed_causes()[name])
            found += [Step(cause.target, cause.value, cause.starts_h, cause.ends_h) for cause in causes]
        else:
            # As in simulated trials: from the first dose to the end, whatever a single dose would last.
            causes = find_cause("sirolimus_oral" if name == "rapamycin" else name)
            found += [Step(cause.target, cause.value, 0.0, math.inf) for cause in causes]
    if faults:
        raise ScenarioError(faults)
    strongest: dict[str, Step] = {}
    for step in found:
        if step.name not in strongest or step.value > strongest[step.name].value:
            strongest[step.name] = step
    return tuple(strongest.values())
