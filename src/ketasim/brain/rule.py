"""The rule that decides how density acts on networks, written down before any result was seen.

A coupling passes if, in the depressed brain and with the density course of one clinical dose,

1. posterior cingulate to medial prefrontal connectivity is lower at 24 h than before the dose, by at least
   ``change_least`` in Fisher z;
2. insula to default mode connectivity is normalised at 2 days: depressed and healthy differ before the dose
   by at least ``gap_least`` (in either direction: the source tells that it was normalised, not from which
   side), and at 2 days at least ``gap_closed`` of that difference is closed without overshooting it by as
   much;
3. it is back at 10 days: less than ``gap_closed`` of the difference is closed, and less than half of what
   was closed at 2 days;
4. the network is at a safe distance from criticality at every dose, at every one of these times, in the
   healthy and in the depressed brain: the leading eigenvalue is below -1.5 /s, and 5 % more local weight
   moves no rate by 20 % or more (:mod:`ketasim.brain.criticality`).

Of those that pass, the first in the order of :data:`~ketasim.brain.couplings.COUPLINGS` is the default. If
none passes, networks are a read-out with zero weight on mood. The sources of the signs are scheidegger2012
(1, in healthy volunteers) and evans2018 (2 and 3, in patients).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.brain.couplings import COUPLINGS, REFERENCE_COUPLING, Coupling
from ketasim.brain.criticality import EIGENVALUE_LIMIT, RATE_CHANGE_LIMIT, safety
from ketasim.brain.illness import HEALTHY, BrainState, DensityCourse, density_course, depressed
from ketasim.brain.model import BrainModel
from ketasim.errors import BrainError

__all__ = [
    "CONCENTRATIONS",
    "NO_COUPLING",
    "TIMES",
    "Criticality",
    "LateSigns",
    "Verdict",
    "VerdictRow",
    "decide",
    "state_after",
]

NO_COUPLING = "none: networks are a read-out with zero weight on mood"
"""What is chosen when no coupling passes."""

TIMES = (0.0, 24.0, 48.0, 240.0)
"""Times after the dose at which the rule looks, in h; 0 is before any change of density."""

CONCENTRATIONS = (0.0, 0.3, 1.0, 1.3, 3.0, 10.0, 15.0)
"""Doses of the safety check, in uM on the circuit's scale: from none to anaesthesia."""

_Readouts = Mapping[str, float | None]


@dataclass(frozen=True)
class LateSigns:
    """The late signs of one coupling, in numbers; None where the parcellation lacks the regions.

    Parameters
    ----------
    pcc_mpfc_change : float or None
        Change at 24 h in the depressed brain, in Fisher z.
    pcc_mpfc_change_healthy : float or None
        The same in the healthy brain; told, not judged.
    insula_gap : float or None
        Healthy minus depressed before the dose, insula to default mode, in Fisher z.
    insula_closed_2d, insula_closed_10d : float or None
        Share of that gap which is closed; above 1 it overshoots.
    """

    pcc_mpfc_change: float | None
    pcc_mpfc_change_healthy: float | None
    insula_gap: float | None
    insula_closed_2d: float | None
    insula_closed_10d: float | None

    def lower(self, limits: Conditions) -> bool:
        """Sign 1: posterior cingulate to medial prefrontal cortex is lower at 24 h."""
        return self.pcc_mpfc_change is not None and self.pcc_mpfc_change <= -limits.change_least

    def normalised(self, limits: Conditions) -> bool:
        """Sign 2: insula to default mode is normalised at 2 days."""
        if self.insula_gap is None or self.insula_closed_2d is None:
            return False
        closed = limits.gap_closed <= self.insula_closed_2d <= 2.0 - limits.gap_closed
        return abs(self.insula_gap) >= limits.gap_least and closed

    def back(self, limits: Conditions) -> bool:
        """Sign 3: it was normalised and is back at 10 days."""
        if not self.normalised(limits) or self.insula_closed_10d is None or self.insula_closed_2d is None:
            return False
        return self.insula_closed_10d < min(limits.gap_closed, 0.5 * self.insula_closed_2d)


@dataclass(frozen=True)
class Criticality:
    """The worst case over brains, times and doses.

    Parameters
    ----------
    eigenvalue : float or None
        Largest leading eigenvalue in 1/s; None if a state has no stable fixed point.
    rate_change : float or None
        Largest relative change of a rate by 5 % more local weight; None likewise.
    where : str
        State with the largest eigenvalue, or the first unstable one.
    """

    eigenvalue: float | None
    rate_change: float | None
    where: str

    @property
    def safe(self) -> bool:
        """Sign 4: at a safe distance everywhere."""
        if self.eigenvalue is None or self.rate_change is None:
            return False
        return self.eigenvalue < EIGENVALUE_LIMIT and self.rate_change < RATE_CHANGE_LIMIT


@dataclass(frozen=True)
class VerdictRow:
    """What the rule found of one coupling.

    Parameters
    ----------
    coupling : Coupling
        Which.
    signs : LateSigns
        Its late signs.
    criticality : Criticality
        Its worst distance from criticality.
    courses : mapping of str to mapping of float to read-outs
        By brain (``healthy``, ``depressed``) and time in h: all read-outs without drug.
    limits : Conditions
        What was used.
    """

    coupling: Coupling
    signs: LateSigns
    criticality: Criticality
    courses: Mapping[str, Mapping[float, _Readouts]]
    limits: Conditions

    @property
    def checks(self) -> Mapping[str, bool]:
        """Each of the four signs, by name."""
        return {
            "pcc_mpfc_lower_24h": self.signs.lower(self.limits),
            "insula_dmn_normalised_2d": self.signs.normalised(self.limits),
            "insula_dmn_back_10d": self.signs.back(self.limits),
            "safe": self.criticality.safe,
        }

    @property
    def directions(self) -> Mapping[str, bool]:
        """The late signs without their sizes: told, not judged."""
        signs = self.signs
        change, at_2d, at_10d = signs.pcc_mpfc_change, signs.insula_closed_2d, signs.insula_closed_10d
        return {
            "pcc_mpfc_falls_24h": change is not None and change < 0.0,
            "insula_dmn_towards_healthy_2d": at_2d is not None and at_2d > 0.0,
            "insula_dmn_less_so_10d": at_2d is not None and at_10d is not None and at_10d < 0.5 * at_2d,
        }

    @property
    def passes(self) -> bool:
        """Whether all four hold."""
        return all(self.checks.values())

    def record(self) -> dict[str, object]:
        """One flat row: every number, every sign and every direction."""
        numbers = {
            **{field.name: getattr(self.signs, field.name) for field in fields(LateSigns)},
            "eigenvalue": self.criticality.eigenvalue,
            "rate_change": self.criticality.rate_change,
        }
        return {
            "coupling": self.coupling.name,
            **numbers,
            **self.checks,
            "passes": self.passes,
            **self.directions,
        }


@dataclass(frozen=True)
class Verdict:
    """The rule's answer for one brain.

    Parameters
    ----------
    connectome : str
        Which brain.
    rows : tuple of VerdictRow
        One a coupling, the reference first.
    """

    connectome: str
    rows: tuple[VerdictRow, ...]

    @property
    def chosen(self) -> str:
        """Name of the default coupling, or :data:`NO_COUPLING`."""
        for row in self.rows:
            if row.passes and row.coupling.name != REFERENCE_COUPLING:
                return row.coupling.name
        return NO_COUPLING

    @property
    def nearest(self) -> str:
        """The candidate with the most signs and then directions, the first of equals: for a mere read-out.

        Raises
        ------
        BrainError
            If there is only the reference coupling.
        """
        candidates = [row for row in self.rows if row.coupling.name != REFERENCE_COUPLING]
        if not candidates:
            raise BrainError(f"{self.connectome}: the verdict has no candidate, only the reference coupling.")

        def score(row: VerdictRow) -> tuple[int, int]:
            return sum(row.checks.values()), sum(row.directions.values())

        return max(candidates, key=score).coupling.name


def state_after(baseline: BrainState, course: DensityCourse, hours: float) -> BrainState:
    """The brain at a time after a dose, when the drug itself is gone.

    Parameters
    ----------
    baseline : BrainState
        Before the dose.
    course : DensityCourse
        Of density, from the baseline's density.
    hours : float
        Since the dose.

    Returns
    -------
    BrainState
        With the density and the adapted density of that time.
    """
    return replace(baseline, density=course.density(hours), adapted_density=course.adapted(hours))


def _states(coupling: Coupling, limits: Conditions) -> dict[str, dict[float, BrainState]]:
    brains = {"healthy": HEALTHY, "depressed": depressed(conditions=limits)}
    found = {}
    for name, baseline in brains.items():
        course = density_course(baseline.density, adapts=coupling.adapts, conditions=limits)
        found[name] = {hours: state_after(baseline, course, hours) for hours in TIMES}
    return found


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _late_signs(courses: Mapping[str, Mapping[float, _Readouts]]) -> LateSigns:
    well, ill = courses["healthy"], courses["depressed"]
    gap = _difference(well[0.0]["insula_dmn"], ill[0.0]["insula_dmn"])

    def closed(hours: float) -> float | None:
        moved = _difference(ill[hours]["insula_dmn"], ill[0.0]["insula_dmn"])
        return None if moved is None or not gap else moved / gap

    return LateSigns(
        _difference(ill[24.0]["pcc_mpfc"], ill[0.0]["pcc_mpfc"]),
        _difference(well[24.0]["pcc_mpfc"], well[0.0]["pcc_mpfc"]),
        gap,
        closed(48.0),
        closed(240.0),
    )


def _criticality(
    coupling: Coupling,
    healthy: BrainModel,
    states: Mapping[str, Mapping[float, BrainState]],
    concentrations: Sequence[float],
    limits: Conditions,
) -> Criticality:
    eigenvalue, rate_change, where = float("-inf"), 0.0, ""
    for brain, times in states.items():
        for hours, state in times.items():
            for concentration in concentrations:
                block_e, block_i = limits.block(concentration)
                dosed = replace(state, block_excitatory=block_e, block_inhibitory=block_i)
                label = f"{brain}, {hours:g} h, {concentration:g} uM"
                model, influence = coupling.at(healthy, dosed, limits)
                try:
                    found = safety(model, [influence])
                except BrainError:
                    return Criticality(None, None, label)
                if found.eigenvalue > eigenvalue:
                    eigenvalue, where = found.eigenvalue, label
                rate_change = max(rate_change, found.rate_change)
    return Criticality(eigenvalue, rate_change, where)


def decide(
    model: BrainModel,
    couplings: Sequence[Coupling] | None = None,
    concentrations: Sequence[float] = CONCENTRATIONS,
    conditions: Conditions | None = None,
) -> Verdict:
    """Apply the rule to a brain.

    Parameters
    ----------
    model : BrainModel
        A healthy brain without long-range inhibition.
    couplings : sequence of Coupling, optional
        Default: all of :data:`~ketasim.brain.couplings.COUPLINGS`.
    concentrations : sequence of float
        Doses of the safety check, in uM on the circuit's scale.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    Verdict
        Every number for each coupling.

    Raises
    ------
    BrainError
        If a drug-free state is unstable, or a concentration is negative.
    """
    limits = load_conditions() if conditions is None else conditions
    rows = []
    for coupling in COUPLINGS.values() if couplings is None else couplings:
        healthy = coupling.healthy(model, limits)
        states = _states(coupling, limits)
        courses = {
            brain: {hours: coupling.readouts(healthy, state, limits) for hours, state in times.items()}
            for brain, times in states.items()
        }
        criticality = _criticality(coupling, healthy, states, concentrations, limits)
        rows.append(VerdictRow(coupling, _late_signs(courses), criticality, courses, limits))
    return Verdict(model.connectome.name, tuple(rows))
