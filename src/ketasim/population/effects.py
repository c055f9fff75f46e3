"""What covariates do to the parameters of the chain, and to what is put in from outside.

Every effect is a row of ``effects.csv`` with its source. A size of 0 is an effect that is
named and neutral: nobody measured it, or what was measured does not give a size.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import GRADES, ParameterSet
from ketasim.population.covariates import COVARIATES
from ketasim.population.people import FloatArray, People

__all__ = ["SCALES", "Effect", "StudyDeviations", "load_effects", "parameter_columns", "people_inputs"]

#: How an effect acts.
SCALES: Mapping[str, str] = {
    "value": "the parameter is the covariate times the size",
    "add": "size per unit of the covariate is added to the parameter",
    "log": "size per unit is added to the parameter's deviation (logit of a share)",
    "input": "an outside input is the covariate times the size",
}
_COLUMNS = ("covariate", "parameter", "scale", "size", "centre", "source", "grade", "note")


class StudyDeviations(Protocol):
    """What a study as a whole deviates by."""

    @property
    def deviations(self) -> Mapping[str, float]:
        """Deviation of each parameter on the scale of its spread."""


@dataclass(frozen=True)
class Effect:
    """One effect of one covariate.

    Parameters
    ----------
    covariate, parameter : str
        What acts, and the parameter or the input that it acts on.
    scale : str
        One of :data:`SCALES`.
    size : float
        Per unit of the covariate; 0 is neutral.
    centre : float
        Value of the covariate without effect.
    source, grade, note : str
        As of a parameter.
    """

    covariate: str
    parameter: str
    scale: str
    size: float
    centre: float
    source: str
    grade: str
    note: str

    @property
    def neutral(self) -> bool:
        """Whether it does nothing."""
        return self.size == 0.0


@cache
def load_effects() -> tuple[Effect, ...]:
    """Load the shipped effects, in the order of their table.

    Raises
    ------
    StudyError
        If the table breaks its rules.
    """
    item = resources.files(__package__).joinpath("effects.csv")
    reader = csv.DictReader(item.read_text(encoding="utf-8").splitlines())
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise StudyError(f"effects.csv: the columns must be {', '.join(_COLUMNS)}.")
    return tuple(_effect(f"effects.csv, line {reader.line_num}", row) for row in reader)


def _effect(where: str, row: Mapping[str, str]) -> Effect:
    for what, name, allowed in (
        ("covariate", row["covariate"], COVARIATES),
        ("scale", row["scale"], SCALES),
        ("grade", row["grade"], GRADES),
    ):
        if name not in allowed:
            raise StudyError(f"{where}: {unknown_name(what, name, allowed)}")
    size = float(row["size"])
    if size != 0.0 and row["grade"] == "assumed":
        raise StudyError(f"{where}: an assumed effect has size 0, not {size:g}; give a source.")
    return Effect(
        row["covariate"],
        row["parameter"],
        row["scale"],
        size,
        float(row["centre"]),
        row["source"],
        row["grade"],
        row["note"],
    )


def parameter_columns(
    people: People,
    parameters: ParameterSet,
    study_effect: StudyDeviations | None = None,
    effects: Sequence[Effect] | None = None,
) -> dict[str, FloatArray]:
    """Return the parameters in which people differ.

    Parameters
    ----------
    people : People
        Who.
    parameters : ParameterSet
        Typical values. What it does not know is left out.
    study_effect : StudyDeviations, optional
        What this study deviates by as a whole, on top of each person's own.
    effects : sequence of Effect, optional
        What covariates do; default: those shipped.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        In the units of the tables: deviations and covariate effects applied.
    """
    deviations = {name: values for name, values in people.deviations.items() if name in parameters}
    if study_effect is not None:
        for name, shift in study_effect.deviations.items():
            if name in parameters:
                deviations[name] = deviations.get(name, np.zeros(len(people))) + shift
    added: dict[str, FloatArray] = {}
    replaced: dict[str, FloatArray] = {}
    for effect in load_effects() if effects is None else effects:
        if effect.neutral or effect.scale == "input" or effect.parameter not in parameters:
            continue
        acting = effect.size * (people.covariates[effect.covariate] - effect.centre)
        into = {"value": replaced, "add": added, "log": deviations}[effect.scale]
        into[effect.parameter] = into.get(effect.parameter, np.zeros(len(people))) + acting
    columns = dict(replaced)
    for name in dict.fromkeys((*deviations, *added)):
        item = parameters[name]
        base = columns.get(name, np.full(len(people), item.value)) + added.get(name, 0.0)
        columns[name] = item.at(base, deviations[name]) if name in deviations else base
    return columns


def people_inputs(people: People, effects: Sequence[Effect] | None = None) -> dict[str, FloatArray]:
    """Return what is put into the chain from outside, all the time, because of who people are.

    Parameters
    ----------
    people : People
        Who.
    effects : sequence of Effect, optional
        What covariates do; default: those shipped.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        By the name of the input; empty if nobody has any.
    """
    found: dict[str, FloatArray] = {}
    for effect in load_effects() if effects is None else effects:
        if effect.scale == "input" and not effect.neutral:
            acting = effect.size * (people.covariates[effect.covariate] - effect.centre)
            found[effect.parameter] = found.get(effect.parameter, np.zeros(len(people))) + acting
    return {name: values for name, values in found.items() if np.any(values)}
