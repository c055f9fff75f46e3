"""How people, and the doses of one person, differ: spreads turned into deviations of parameters.

Every number has a random stream of its own, named by the parameter, so that another parameter,
another person or another dose changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.model.parameters import Correlation, ParameterSet, correlated
from ketasim.population.streams import stream

__all__ = ["Variability", "check_spreads", "occasion_deviations", "person_factors"]


@dataclass(frozen=True)
class Variability:
    """How parameters differ between people and between doses.

    Parameters
    ----------
    people : mapping of str to float
        Standard deviation between people by the name of the parameter, on the log scale (logit
        for a share).
    correlations : tuple of Correlation
        Which of them go together.
    occasions : mapping of str to float
        Standard deviation between the doses of one person, on the same scale.

    Raises
    ------
    StudyError
        If a standard deviation is not a number from 0 upwards.
    """

    people: Mapping[str, float]
    correlations: tuple[Correlation, ...] = ()
    occasions: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_spreads(self.people)
        check_spreads(self.occasions)

    @classmethod
    def of(cls, parameters: ParameterSet) -> Variability:
        """Return what the tables say.

        Parameters
        ----------
        parameters : ParameterSet
            Gives ``iiv``, ``iov`` and the correlations.

        Returns
        -------
        Variability
            Of every parameter that has any.
        """
        return cls(
            {name: item.iiv for name, item in parameters.items() if item.iiv > 0.0},
            parameters.correlations,
            {name: item.iov for name, item in parameters.items() if item.iov > 0.0},
        )


def check_spreads(spreads: Mapping[str, float]) -> None:
    """Refuse a standard deviation that is not a number from 0 upwards.

    Parameters
    ----------
    spreads : mapping of str to float
        Standard deviations by name.

    Raises
    ------
    StudyError
        Names the first that is wrong.
    """
    for name, sd in spreads.items():
        if not (math.isfinite(sd) and sd >= 0.0):
            raise StudyError(f"variability of {name!r}: {sd!r} is not a number from 0 upwards.")


class _Purpose(Protocol):
    def __call__(self, *name: str) -> np.random.Generator: ...


def person_factors(purpose: _Purpose, variability: Variability) -> dict[str, float]:
    """Draw the factor on each parameter of one person.

    Parameters
    ----------
    purpose : function
        Gives a random stream of this person for the parts of a name.
    variability : Variability
        How people differ.

    Returns
    -------
    dict of str to float
        ``exp(sd z)`` by parameter name, with ``z`` correlated as in the table; for
        :meth:`ketasim.model.Parameter.times`.
    """
    normal = {name: float(purpose("parameter", name).standard_normal()) for name in variability.people}
    together = correlated(normal, variability.correlations)
    return {name: math.exp(sd * together[name]) for name, sd in variability.people.items()}


def occasion_deviations(
    seed: int, study: str, replicate: int, subject: int, spreads: Mapping[str, float], n_occasions: int
) -> dict[str, NDArray[np.float64]]:
    """Draw how parameters deviate at each dose of one person.

    Parameters
    ----------
    seed, study, replicate, subject
        Name the person, as in :func:`~ketasim.population.draw_patients`.
    spreads : mapping of str to float
        Standard deviation between doses by the name of the parameter, on the log scale (logit
        for a share).
    n_occasions : int
        Number of doses.

    Returns
    -------
    dict of str to ndarray, shape (n_occasions,)
        Deviations on the scale of the spread. A longer course begins with the shorter one. The
        arrays cannot be written to.

    Raises
    ------
    StudyError
        If the number of doses is negative.
    """
    if n_occasions < 0:
        raise StudyError(f"n_occasions {n_occasions!r} is negative; give the number of doses.")
    found = {}
    for name, sd in spreads.items():
        deviations = sd * stream(seed, study, replicate, subject, "occasion", name).standard_normal(
            n_occasions
        )
        deviations.flags.writeable = False
        found[name] = deviations
    return found
