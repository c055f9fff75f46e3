"""How parameters differ between people, and between the doses of one person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ketasim.errors import StudyError
from ketasim.model.parameters import Correlation, ParameterSet

__all__ = ["Variability", "check_spreads"]


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
