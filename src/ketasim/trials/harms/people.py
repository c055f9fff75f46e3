"""Virtual people under the regimens of the trials that the chances of harms come from.

The chances are derived for people who differ as the model lets them differ: what their peaks spread
is no part of the frailty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import StudyError
from ketasim.model import Simulator, build_chain
from ketasim.model.cohort import Cohort, Given, Rested, at_rest, run_stretch
from ketasim.model.parameters import correlated, load_parameters
from ketasim.population.streams import stream
from ketasim.population.variability import Variability
from ketasim.trials.harms.events import Harm, incidence
from ketasim.trials.harms.exposure import PEAKS, exposure

__all__ = ["REGIMENS", "VISITS", "VirtualTrials", "virtual_peaks", "virtual_trials"]

FloatArray = npt.NDArray[np.float64]

#: The arms of the trials behind the rows, by dose in mg; those of the study file fedgchin2019, and 28 mg.
REGIMENS: Mapping[float, str] = {
    28.0: "28 mg esketamine intranasal, twice weekly x 4 weeks",
    56.0: "56 mg esketamine intranasal, twice weekly x 4 weeks",
    84.0: "56 mg esketamine intranasal, once; 84 mg esketamine intranasal, on days 4, 8, 11, 15, 18, 22, 25",
}
#: Treatment visits of each.
VISITS = 8

_PEOPLE, _SEED = 400, 1
_MINUTES = (0, 10, 20, 30, 40, 50, 60, 90, 120, 180, 240, 360, 480)
#: Entry severity and body weight of the people for whom the chances of harms are derived.
_SEVERITY, _WEIGHT_MEAN_KG, _WEIGHT_SD_KG = 33.0, 82.0, 18.0
_WEIGHT_LIMITS_KG = (35.0, 200.0)
#: A drawn set of parameters may have no rest before treatment; such people are left out.
_MOST_FAILED = 0.05


@dataclass(frozen=True)
class VirtualTrials:
    """Peaks of virtual people at every visit, by dose in mg.

    Parameters
    ----------
    peaks : mapping of float to mapping of str to array, shape (people, visits)
        See :func:`ketasim.trials.harms.exposure.virtual_peaks`.
    """

    peaks: Mapping[float, Mapping[str, FloatArray]]

    def share(self, harm: Harm, doses: Mapping[float, float], visits: int = VISITS) -> float:
        """Expected share of people with at least one event in the first visits.

        Parameters
        ----------
        harm : Harm
            With its numbers.
        doses : mapping of float to float
            How the people are shared out over doses in mg.
        visits : int
            How many visits.

        Returns
        -------
        float
            From 0 to 1.
        """
        session, parts = np.arange(1, visits + 1), []
        for dose, part in doses.items():
            exposed = exposure(harm.exposure, self.peaks[dose])[:, :visits]
            hazard = harm.hazard(exposed, session).sum(axis=1)
            beyond = (exposed > harm.threshold).any(axis=1)
            parts.append(part * incidence(np.where(beyond, np.inf, hazard), harm.spread))
        return math.fsum(parts)


@cache
def virtual_trials(people: int = _PEOPLE, seed: int = _SEED) -> VirtualTrials:
    """Simulate people at 28, 56 and 84 mg, twice weekly for four weeks.

    Parameters
    ----------
    people : int
        How many in each arm; the same ones in all.
    seed : int
        Names the random numbers.

    Returns
    -------
    VirtualTrials
    """
    found = virtual_peaks([parse_regimen(text) for text in REGIMENS.values()], people, seed)
    return VirtualTrials(dict(zip(REGIMENS, found, strict=True)))


def virtual_peaks(regimens: Sequence[Regimen], people: int, seed: int) -> list[dict[str, FloatArray]]:
    """Simulate people who differ as the model's tables say, and find their peaks after every dose.

    Parameters
    ----------
    regimens : sequence of Regimen
        What all are given, in one arm after the other.
    people : int
        How many in each arm; the same ones in all.
    seed : int
        Names the random numbers.

    Returns
    -------
    list of dict of str to array, shape (people, doses)
        By regimen, the extreme value within 8 h of every dose, of every quantity of
        :data:`~ketasim.trials.harms.exposure.PEAKS`; without the few who have no rest before treatment.

    Raises
    ------
    StudyError
        If more than a few people could not be simulated.
    """
    last_h = max((regimen.last_start_h or 0.0) for regimen in regimens)
    cohort = _cohort(people, seed, days=math.ceil(last_h / 24.0) + 1)
    simulator = Simulator(build_chain(parameters=cohort.parameters))
    rested = at_rest(simulator, cohort)
    kept = np.array([i for i in range(people) if i not in rested.refused], dtype=np.int64)
    some = Rested(rested.rows[kept], rested.states[kept], {})
    found = []
    for regimen in regimens:
        values = _extremes(simulator, cohort.part(kept), some, regimen)
        if len(values["cadss"]) < (1.0 - _MOST_FAILED) * people:
            failed = people - len(values["cadss"])
            raise StudyError(f"people: {failed} of {people} could not be simulated; too many.")
        found.append(values)
    return found


def _extremes(
    simulator: Simulator, cohort: Cohort, rested: Rested, regimen: Regimen
) -> dict[str, FloatArray]:
    """Extreme values after every dose, of those who could be simulated."""
    starts = np.array([dose.start_h for dose in regimen.doses])
    grid = starts[:, None] + np.array(_MINUTES) / 60.0
    times, places = np.unique(grid, return_inverse=True)
    given = Given.same(regimen, len(cohort))
    solutions = run_stretch(
        simulator, cohort, rested.rows, rested.states, given, [times] * len(cohort), PEAKS
    )
    solved = [own for i, own in enumerate(solutions.values) if i not in solutions.failures]
    values = np.array(solved)[:, places.reshape(grid.shape)]
    return {
        name: (values[..., i].min(axis=2) if name == "sedation" else values[..., i].max(axis=2))
        for i, name in enumerate(PEAKS)
    }


def _cohort(people: int, seed: int, days: int) -> Cohort:
    """People of one severity without life stress, who differ in weight and the model's parameters."""
    parameters = load_parameters("human")
    variability = Variability.of(parameters)
    normal = {
        name: stream(seed, "harms", "parameter", name).standard_normal(people) for name in variability.people
    }
    log_sd = math.sqrt(math.log1p((_WEIGHT_SD_KG / _WEIGHT_MEAN_KG) ** 2))
    weight = _WEIGHT_MEAN_KG * np.exp(
        log_sd * stream(seed, "harms", "weight").standard_normal(people) - 0.5 * log_sd**2
    )
    varied = {"weight": np.clip(weight, *_WEIGHT_LIMITS_KG)}
    for name, deviates in correlated(normal, variability.correlations).items():
        varied[name] = parameters[name].varied(variability.people[name] * deviates)
    return Cohort(parameters, varied, np.full(people, _SEVERITY), np.zeros((people, days)))
