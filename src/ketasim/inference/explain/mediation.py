"""Clamps: the share of the drug-specific effect that is lost when quantities are held from the first dose on.

The drug-specific effect is severity minus that of the same person with dose zero. Expectancy is no part
of it, so that a clamp cannot take it away or leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.errors import KetasimError, ModelError, SolverError, unknown_name
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Case, Simulator
from ketasim.model.times import output_times

__all__ = ["GROUPS", "TIMES_H", "Effects", "Mediation", "clamps_of", "effects", "mediation"]

FloatArray = npt.NDArray[np.float64]

#: When the effect is looked at, in h after the first dose.
TIMES_H: Mapping[str, float] = {"2h": 2.0, "24h": 24.0, "7d": 168.0}

#: What may be held under one name: the ways out of a stage.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "circuit": ("pyramidal_rate", "pv_rate", "sst_rate", "vip_rate"),
    "glutamate": ("glutamate",),
    "ampa": ("ampa_drive",),
    "fast_arm": ("fast_arm",),
    "neurotrophin": ("bdnf", "trkb"),
    "translation": ("mtorc1", "synaptic_protein"),
    "spines": ("spines_nascent", "spines_mature"),
    "fast_arm_and_spines": ("fast_arm", "spines_nascent", "spines_mature"),
    "stress": ("stress",),
    "inflammation": ("inflammation",),
    "networks": ("dmn_connectivity", "salience_connectivity", "global_connectivity"),
}

#: An effect smaller than this, in points, has no shares.
_NONE = 0.05


@dataclass(frozen=True, eq=False)
class Effects:
    """Drug-specific effects of parameter sets at some times.

    Parameters
    ----------
    points : array, shape (sets, times)
        In points of severity; NaN where the model cannot be solved.
    """

    points: FloatArray


@dataclass(frozen=True)
class Mediation:
    """What is lost when quantities are held.

    Parameters
    ----------
    name : str
        Group or quantities.
    held : tuple of str
        The quantities.
    effect, left : dict of str to float
        Effect in points without and with the clamp, by time.
    lost : dict of str to float
        Share of the effect that is lost; NaN where there is none.
    lost_low, lost_high : dict of str to float
        Middle 90 % of that share over the posterior; NaN without one.
    """

    name: str
    held: tuple[str, ...]
    effect: dict[str, float]
    left: dict[str, float]
    lost: dict[str, float]
    lost_low: dict[str, float]
    lost_high: dict[str, float]


def clamps_of(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Quantities of some names, each a quantity or one of :data:`GROUPS`.

    Raises
    ------
    ModelError
        If a name is neither.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in GROUPS:
            found |= dict.fromkeys(GROUPS[name])
        elif name in known:
            found[name] = None
        else:
            raise ModelError(f"--clamp: {unknown_name('quantity or group', name, (*known, *GROUPS))}")
    return tuple(found)


def effects(
    simulator: Simulator,
    sets: Sequence[ParameterSet],
    regimens: Sequence[Regimen],
    severity: float,
    held: Sequence[str] = (),
    times_h: Sequence[float] = tuple(TIMES_H.values()),
) -> Effects:
    """Drug-specific effect of the typical patient, mean over some courses of doses.

    Parameters
    ----------
    simulator : Simulator
        The model.
    sets : sequence of ParameterSet
        Typical values.
    regimens : sequence of Regimen
        Courses of doses.
    severity : float
        At rest, in points.
    held : sequence of str
        Quantities held at the person's own rest.
    times_h : sequence of float
        Increasing, in hours.
    """
    patients = simulator.depressed_many([Wanted(own, severity, 0.0) for own in sets])
    solved = [place for place, patient in enumerate(patients) if not isinstance(patient, KetasimError)]
    clamps = tuple(Clamp(name) for name in held)
    total = np.zeros((len(sets), len(times_h)))
    total[[place for place in range(len(sets)) if place not in set(solved)]] = np.nan
    for regimen in regimens:
        grid = output_times(regimen, max(times_h), times_h, fine=False)
        index = [int(np.argmin(np.abs(grid - time))) for time in times_h]
        cases = [Case(patients[place], regimen, grid, {}, clamps) for place in solved]  # type: ignore[arg-type]
        for place, run in zip(solved, simulator.run_many(cases, ("severity",)), strict=True):
            if isinstance(run, KetasimError):
                total[place] = np.nan
            else:
                total[place] += run.quantities["severity"][index] - severity
    return Effects(total / len(regimens))


def mediation(
    simulator: Simulator,
    parameters: ParameterSet,
    regimens: Sequence[Regimen],
    severity: float,
    groups: Mapping[str, Sequence[str]],
    sets: Sequence[ParameterSet] = (),
) -> list[Mediation]:
    """Hold groups of quantities, one group after another.

    Parameters
    ----------
    simulator, regimens, severity
        As of :func:`effects`.
    parameters : ParameterSet
        Typical values.
    groups : mapping of str to sequence of str
        What is held together, by name.
    sets : sequence of ParameterSet
        Draws of the posterior, for intervals.

    Returns
    -------
    list of Mediation

    Raises
    ------
    SolverError
        If the typical patient cannot be simulated.
    """
    every = [parameters, *sets]
    usual = effects(simulator, every, regimens, severity).points
    if np.isnan(usual[0]).any():
        raise SolverError("explain: the typical patient of this study cannot be simulated.")
    return [
        _mediation(name, tuple(held), usual, effects(simulator, every, regimens, severity, held).points)
        for name, held in groups.items()
    ]


def _mediation(name: str, held: tuple[str, ...], usual: FloatArray, left: FloatArray) -> Mediation:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(np.abs(usual) > _NONE, 1.0 - left / usual, np.nan)
    ends = np.full((2, shares.shape[1]), np.nan)
    if len(shares) > 1 and np.isfinite(shares[1:]).any():
        ends = np.nanpercentile(shares[1:], [5.0, 95.0], axis=0)

    def by_time(row: FloatArray) -> dict[str, float]:
        return dict(zip(TIMES_H, row.tolist(), strict=True))

    return Mediation(
        name,
        held,
        by_time(usual[0]),
        by_time(left[0]),
        by_time(shares[0]),
        by_time(ends[0]),
        by_time(ends[1]),
    )
