"""Harms at treatment visits: who has which adverse event after a dose.

The chance of a harm at a visit is ``1 - exp(-hazard)`` (complementary log-log). The hazard is a
background, which placebo has too, plus a part that grows with what the dose did to this person and
that may fade with repetition; both are multiplied by a frailty of the person, so that the same people
are hit again and again:

    hazard = (background + drug * (exposure / reference) ** exponent * exp(-fading * (session - 1)))
             * exp(spread * frailty)

Numbers, sources and grades stand in ``harms.csv``; :mod:`ketasim.trials.harms.derivation` derives them
from published incidences by person.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.trials.harms.exposure import exposure

__all__ = [
    "HARM_COLUMNS",
    "HARM_NUMBERS",
    "Harm",
    "adverse_events",
    "incidence",
    "load_harms",
    "visit_chance",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Columns of ``harms.csv``: one row a number.
HARM_COLUMNS = (
    "harm", "number", "value", "unit", "low", "high", "distribution", "source", "grade", "note",
)  # fmt: skip
#: The numbers of a harm in the order of ``harms.csv``; a harm that is a threshold has ``threshold`` in place
#: of those of a dose.
HARM_NUMBERS = ("background", "drug", "exponent", "reference", "fading", "spread", "threshold")

# Standard normal weights on an even grid: exact to rounding for smooth integrands, also for wide spreads.
_Z: Final = np.linspace(-8.0, 8.0, 129)
_WEIGHTS: Final = np.exp(-0.5 * _Z**2) / np.exp(-0.5 * _Z**2).sum()


@dataclass(frozen=True)
class Harm:
    """One adverse event and what makes it likely.

    Parameters
    ----------
    name, term : str
        Name in tables, and the term that a publication prints.
    exposure : str
        What it follows; see :func:`ketasim.trials.harms.exposure.exposure`.
    frailty : str
        Which frailty of the person multiplies its hazard; harms that share one go together.
    background : float
        Hazard of a typical person (frailty 0) at a visit without drug.
    drug : float
        What is added at the reference exposure, at the first visit.
    exponent : float
        How steeply it grows with exposure.
    reference : float
        Reference exposure, in the unit of the exposure.
    fading : float
        By how much the logarithm of the drug's part falls from visit to visit, beyond what the exposure
        itself loses.
    spread : float
        Standard deviation of the logarithm of hazards between people of one exposure.
    threshold : float
        An exposure above it is an event by definition; infinite if there is none.
    """

    name: str
    term: str
    exposure: str
    frailty: str
    background: float = 0.0
    drug: float = 0.0
    exponent: float = 1.0
    reference: float = 1.0
    fading: float = 0.0
    spread: float = 0.0
    threshold: float = math.inf

    def __post_init__(self) -> None:
        for number in ("background", "drug", "fading", "spread"):
            self._require(number, getattr(self, number) >= 0.0, "0 or more")
        for number in ("exponent", "reference"):
            self._require(number, getattr(self, number) > 0.0, "above 0")

    def _require(self, number: str, allowed: bool, words: str) -> None:
        value = getattr(self, number)
        if not (allowed and math.isfinite(value)):
            raise ModelError(f"harm {self.name}: {number}: {value!r} is not allowed; it must be {words}.")

    def with_numbers(self, **numbers: float) -> Harm:
        """Return the harm with other numbers."""
        return replace(self, **numbers)  # type: ignore[arg-type]

    def hazard(self, exposed: npt.ArrayLike, session: npt.ArrayLike) -> FloatArray:
        """Hazard of a typical person at a visit.

        Parameters
        ----------
        exposed : array
            Exposure, 0 without drug.
        session : array
            Number of the treatment visit, from 1; broadcast against ``exposed``.

        Returns
        -------
        array
            Exactly the background where the exposure is 0.
        """
        relative = np.asarray(exposed, dtype=np.float64) / self.reference
        faded = np.exp(-self.fading * (np.asarray(session, dtype=np.float64) - 1.0))
        return np.asarray(self.background + self.drug * relative**self.exponent * faded)


#: Name, printed term, exposure and frailty of every harm.
_DEFINITIONS = (
    ("dissociation", "Dissociation", "cadss", "dissociation"),
    ("cadss_above_4", "CADSS total above 4", "cadss", "dissociation"),
    ("dizziness", "Dizziness", "felt_effect", "dizziness"),
    ("vertigo", "Vertigo", "felt_effect", "dizziness"),
    ("nausea", "Nausea", "nausea_hazard", "nausea"),
    ("vomiting", "Vomiting", "nausea_hazard", "nausea"),
    ("sedation", "Sedation", "drowsiness", "sedation"),
    ("somnolence", "Somnolence", "drowsiness", "sedation"),
    ("blood_pressure_increased", "Blood pressure increased", "systolic_rise", "hypertension"),
    ("systolic_rise_40", "Systolic rise of 40 mmHg or more", "systolic_rise", "hypertension"),
    ("diastolic_rise_25", "Diastolic rise of 25 mmHg or more", "systolic_rise", "hypertension"),
    ("headache", "Headache", "felt_effect", "headache"),
    ("anxiety", "Anxiety", "felt_effect", "anxiety"),
    ("euphoric_mood", "Euphoric mood", "felt_effect", "dissociation"),
)


@cache
def load_harms() -> Mapping[str, Harm]:
    """Load the harms that can be simulated.

    Returns
    -------
    mapping of str to Harm
        By name, in the order in which they are shown.

    Raises
    ------
    ModelError
        If the shipped table is damaged: a number is missing, unknown or out of range.
    """
    text = resources.files("ketasim.trials.harms").joinpath("harms.csv").read_text(encoding="utf-8")
    numbers: dict[str, dict[str, float]] = {name: {} for name, *_ in _DEFINITIONS}
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        where = f"harms.csv, line {line}"
        if row["harm"] not in numbers:
            raise ModelError(f"{where}: {unknown_name('harm', row['harm'], numbers)}")
        if row["number"] not in HARM_NUMBERS:
            raise ModelError(f"{where}: {unknown_name('number of a harm', row['number'], HARM_NUMBERS)}")
        numbers[row["harm"]][row["number"]] = float(row["value"])
    for name, own in numbers.items():
        if "background" not in own or "spread" not in own:
            raise ModelError(f"harms.csv: {name} has no row 'background' or none 'spread'; add it.")
    return MappingProxyType(
        {
            name: Harm(name, term, followed, frailty).with_numbers(**numbers[name])
            for name, term, followed, frailty in _DEFINITIONS
        }
    )


def incidence(hazard: FloatArray, spread: float) -> float:
    """Expected share of people with at least one event.

    Parameters
    ----------
    hazard : array, shape (people,)
        Hazard of each over all his visits, for a frailty of 0.
    spread : float
        Standard deviation of the logarithm of hazards between people.

    Returns
    -------
    float
        From 0 to 1: the mean over the people and over a standard normal frailty.
    """
    return float(-np.expm1(-hazard[:, None] * np.exp(spread * _Z)).mean(axis=0) @ _WEIGHTS)


def visit_chance(harm: Harm, exposed: FloatArray, frailty: FloatArray, session: npt.ArrayLike) -> FloatArray:
    """Chance of a harm at a visit for given people.

    Parameters
    ----------
    harm : Harm
        Which.
    exposed : array, shape (n,)
        Exposure of each; 0 without drug.
    frailty : array, shape (n,)
        Standard normal, the person's own.
    session : array, shape (n,)
        Number of the treatment visit, from 1.

    Returns
    -------
    array, shape (n,)
        From 0 to 1.
    """
    chance = -np.expm1(-harm.hazard(exposed, session) * np.exp(harm.spread * frailty))
    return np.asarray(np.where(np.asarray(exposed) > harm.threshold, 1.0, chance))


def adverse_events(
    peaks: Mapping[str, npt.ArrayLike],
    is_active: npt.ArrayLike,
    frailty: Mapping[str, npt.ArrayLike],
    session: npt.ArrayLike,
    uniforms: Callable[[str], npt.ArrayLike],
    harms: Mapping[str, Harm] | None = None,
) -> dict[str, BoolArray]:
    """Draw the adverse events of one treatment visit.

    Parameters
    ----------
    peaks : mapping of str to array, shape (n,)
        Extreme values since the dose of ``felt_effect``, ``cadss`` (points), ``nausea`` (probability),
        ``sbp_peak_change`` (mmHg): the largest; and of ``sedation`` (MOAA/S, 5 awake): the smallest.
    is_active : array of bool, shape (n,)
        Whether a drug was given at the visit; where not, chances are exactly those of the background.
    frailty : mapping of str to array, shape (n,)
        Standard normal numbers of the persons, by the name of the frailty.
    session : array of int, shape (n,)
        Number of the person's treatment visit, from 1.
    uniforms : function
        Gives numbers between 0 and 1, shape (n,), for the name of a harm: new ones at each visit.
    harms : mapping of str to Harm, optional
        Default: the shipped ones.

    Returns
    -------
    dict of str to array of bool, shape (n,)
        Whether each person has the harm at this visit.

    Raises
    ------
    StudyError
        If a peak or a frailty is missing, a peak is no number, or a session is below 1.
    """
    number = np.asarray(session)
    if (number < 1).any():
        raise StudyError(f"session: {number.min()} is not a number of a treatment visit; they count from 1.")
    active = np.asarray(is_active, dtype=np.bool_)
    exposures: dict[str, FloatArray] = {}
    found: dict[str, BoolArray] = {}
    for name, harm in (load_harms() if harms is None else harms).items():
        if harm.frailty not in frailty:
            raise StudyError(f"frailty: {unknown_name('frailty', harm.frailty, frailty)} {name} needs it.")
        if harm.exposure not in exposures:
            exposures[harm.exposure] = np.where(active, exposure(harm.exposure, peaks), 0.0)
        own = np.asarray(frailty[harm.frailty], dtype=np.float64)
        chance = visit_chance(harm, exposures[harm.exposure], own, number)
        found[name] = np.asarray(uniforms(name)) < chance
    return found
