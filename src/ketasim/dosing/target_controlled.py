"""Target-controlled infusion: a pump that steers the plasma level of its own model.

The pump knows a linear model of an average body. It sets its rate so that this model meets a
target. The patient is another body, so his true level differs from what the pump shows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm

from ketasim.dosing.dose import iv_infusion
from ketasim.dosing.drugs import DRUGS, find_drug
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.schedule import MAX_DOSES
from ketasim.dosing.units_of_dose import checked_number
from ketasim.errors import DoseError, unknown_name

__all__ = ["PUMPS", "PumpModel", "TargetControlled", "target_controlled_infusion"]

FloatArray = npt.NDArray[np.float64]

_NG_ML_PER_MG_L: Final = 1000.0

#: What the pump models were made for; they count R and S together.
_DRUGS: Final = ("ketamine", "esketamine")

_READ = "constants as set in open target-controlled infusion software, not read in the paper itself"


@dataclass(frozen=True)
class PumpModel:
    """The linear body that a pump believes in; volumes and clearances are in proportion to weight.

    Parameters
    ----------
    name : str
        The name by which it is chosen.
    volume_central : float
        L/kg.
    k10 : float
        Elimination from the central compartment, 1/h.
    exchange : tuple of (float, float)
        For each outer compartment the rates there and back, 1/h.
    source : str
        Citation, and how the numbers were read.
    """

    name: str
    volume_central: float
    k10: float
    exchange: tuple[tuple[float, float], ...]
    source: str

    def matrix(self) -> FloatArray:
        """Rates of change of the amounts in all compartments.

        Returns
        -------
        array, shape (n_compartments, n_compartments)
            In 1/h; the central compartment is first.
        """
        n = 1 + len(self.exchange)
        rates = np.zeros((n, n))
        rates[0, 0] = -self.k10
        for i, (there, back) in enumerate(self.exchange, start=1):
            rates[0, 0] -= there
            rates[i, 0], rates[0, i], rates[i, i] = there, back, -back
        return rates


def _from_clearances(
    name: str, volumes: Sequence[float], clearances: Sequence[float], source: str
) -> PumpModel:
    """Build a model from volumes (L) and clearances (L/h) of a person of 70 kg, central first."""
    central, *outer = volumes
    elimination, *flows = clearances
    exchange = tuple((flow / central, flow / volume) for flow, volume in zip(flows, outer, strict=True))
    return PumpModel(name, central / 70.0, elimination / central, exchange, source)


def _from_minutes(
    name: str, volume_central: float, k10: float, exchange: Sequence[tuple[float, float]], source: str
) -> PumpModel:
    """Build a model from rates in 1/min."""
    hourly = tuple((there * 60.0, back * 60.0) for there, back in exchange)
    return PumpModel(name, volume_central, k10 * 60.0, hourly, source)


_TABLE = (
    _from_clearances(
        "kamp2020",
        (25.0, 56.0, 157.0),
        (84.0, 161.0, 79.0),
        f"Kamp et al. 2020, Anesthesiology, doi 10.1097/ALN.0000000000003577 (kamp2020): combined model of "
        f"14 data sets, arterial; {_READ}",
    ),
    _from_minutes(
        "domino1982",
        0.063,
        0.4381,
        ((0.5921, 0.247), (0.59, 0.0146)),
        f"Domino et al. 1982, Clin Pharmacol Ther, PMID 7198883 (domino1982); {_READ}",
    ),
    _from_minutes(
        "clements1981",
        1.7522,
        0.0109,
        ((0.0186, 0.0137),),
        f"Clements and Nimmo 1981, Br J Anaesth, doi 10.1093/bja/53.1.27 (clements1981): bolus of "
        f"250 ug/kg; {_READ}",
    ),
)

#: Every pump model by name.
PUMPS: Mapping[str, PumpModel] = MappingProxyType({pump.name: pump for pump in _TABLE})


@dataclass(frozen=True)
class TargetControlled:
    """What a pump gives, and the level that it believes to reach.

    Parameters
    ----------
    regimen : Regimen
        Infusions at a constant rate (mg/h), each on [start, end); none while the pump waits.
    times_h : array, shape (n_steps + 1,)
        Ends of the pump's steps in h, and first the start.
    predicted_ng_mL : array, shape (n_steps + 1,)
        Plasma concentration in the pump's own model, in ng/mL of free base.
    """

    regimen: Regimen
    times_h: FloatArray
    predicted_ng_mL: FloatArray  # noqa: N815 (mL is how the unit is written)


def target_controlled_infusion(
    drug: str,
    targets: Sequence[tuple[float, float]],
    end_h: float,
    *,
    pump: str = "kamp2020",
    weight_kg: float,
    step_h: float = 1.0 / 60.0,
    max_rate_mg_h: float | None = None,
) -> TargetControlled:
    """Work out the infusion by which a pump's own model follows stepped plasma targets.

    In each step the pump holds the rate at which its model is at the target when the step ends:
    x(t + h) = exp(A h) x(t) + r ∫ exp(A s) b ds, which is exact for a constant rate r. Within a
    step the model may be off the target. The pump cannot take drug out: when a target is below
    the model it waits, and when the rate that is needed is above its limit it runs at the limit.

    Parameters
    ----------
    drug : str
        ``"ketamine"`` or ``"esketamine"``, or a synonym. The pump models were made for ketamine
        as a whole; that they hold for esketamine alone is assumed.
    targets : sequence of (float, float)
        Start (h, rising, the first not negative) and target from then on (ng/mL of free base,
        not negative; 0 stops the pump).
    end_h : float
        When the pump is switched off, in h, after the last start.
    pump : str, default "kamp2020"
        A name of :data:`PUMPS`.
    weight_kg : float
        Body weight that the pump was told, in kg, above 0.
    step_h : float, default 1/60
        Time between two settings of the rate in h, above 0 (pumps use 10 s to 60 s). A step that
        meets a new target or the end is cut short there.
    max_rate_mg_h : float, optional
        Highest rate in mg/h, above 0; default: no limit.

    Returns
    -------
    TargetControlled
        The regimen with the course that the pump predicts. Adjacent steps of equal rate are one dose.

    Raises
    ------
    DoseError
        If a name is unknown, a number is out of its range, the targets are not in order, or the
        pump would take more than 10,000 steps.
    """
    name = find_drug(drug).name
    if name not in _DRUGS:
        raise DoseError(
            f"drug: no pump model was made for {DRUGS[name].label}; allowed are {' and '.join(_DRUGS)}."
        )
    if pump not in PUMPS:
        raise DoseError(f"pump: {unknown_name('pump model', str(pump), PUMPS)}")
    model = PUMPS[pump]
    volume = model.volume_central * _positive(weight_kg, "weight_kg", "kg")
    limit = math.inf if max_rate_mg_h is None else _positive(max_rate_mg_h, "max_rate_mg_h", "mg/h")
    edges, wanted = _steps(_checked_targets(targets, end_h), float(end_h), _positive(step_h, "step_h", "h"))
    rates, levels = _steer(model, volume, edges, wanted, limit)
    return TargetControlled(_infusions(name, edges, rates), np.array(edges), np.array(levels))


def _positive(value: object, field: str, unit: str) -> float:
    number = checked_number(value, field)
    if number <= 0.0:
        raise DoseError(f"{field}: {number:g} {unit} is out of range; it must be above 0.")
    return number


def _checked_targets(targets: Sequence[tuple[float, float]], end_h: object) -> list[tuple[float, float]]:
    end = checked_number(end_h, "end_h")
    if not targets:
        raise DoseError("targets: none was given; name at least one, such as [(0.0, 200.0)] for 200 ng/mL.")
    found: list[tuple[float, float]] = []
    for i, entry in enumerate(targets):
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise DoseError(f"targets[{i}]: {entry!r} is not a pair of start (h) and target (ng/mL).")
        start = checked_number(entry[0], f"targets[{i}] start")
        target = checked_number(entry[1], f"targets[{i}] target")
        if start < 0.0 or target < 0.0:
            raise DoseError(
                f"targets[{i}]: start {start:g} h and target {target:g} ng/mL must not be negative."
            )
        if found and start <= found[-1][0]:
            raise DoseError(
                f"targets[{i}]: its start at {start:g} h is not after the one before it, at "
                f"{found[-1][0]:g} h; put the targets in order of time, one for each time."
            )
        found.append((start, target))
    if end <= found[-1][0]:
        raise DoseError(
            f"end_h: {end:g} h is not after the last target's start at {found[-1][0]:g} h; make it later."
        )
    return found


def _steps(
    targets: Sequence[tuple[float, float]], end: float, step: float
) -> tuple[list[float], list[float]]:
    """Edges of the pump's steps in h, and the target of each step in ng/mL."""
    stops = [*(start for start, _ in targets[1:]), end]
    # A stop that rounding left a hair above a whole number of steps needs no extra one.
    counts = [
        max(1, math.ceil((stop - start) / step * (1.0 - 1e-9)))
        for (start, _), stop in zip(targets, stops, strict=True)
    ]
    if sum(counts) > MAX_DOSES:
        raise DoseError(
            f"step_h: {step:g} h makes {sum(counts)} steps, more than the {MAX_DOSES} doses that a regimen "
            "may hold; take a longer step or an earlier end."
        )
    edges, wanted = [targets[0][0]], []
    for (start, target), stop, count in zip(targets, stops, counts, strict=True):
        edges += [*(start + i * step for i in range(1, count)), stop]
        wanted += [target] * count
    return edges, wanted


@lru_cache(maxsize=64)
def _transition(model: PumpModel, length_h: float) -> tuple[FloatArray, FloatArray]:
    """What a step does to the amounts, and what 1 mg/h adds to them; exact, by one exponential."""
    rates = model.matrix()
    n = len(rates)
    # An input that is constant is one more state that does not change.
    augmented = np.zeros((n + 1, n + 1))
    augmented[:n, :n] = rates
    augmented[0, n] = 1.0
    whole = np.asarray(expm(augmented * length_h), dtype=np.float64)
    return whole[:n, :n], whole[:n, n]


def _steer(
    model: PumpModel, volume: float, edges: Sequence[float], wanted: Sequence[float], limit: float
) -> tuple[list[float], list[float]]:
    """Rate in each step (mg/h), and the model's concentration at each edge (ng/mL)."""
    amounts = np.zeros(1 + len(model.exchange))
    rates, levels = [], [0.0]
    for (start, stop), target in zip(itertools.pairwise(edges), wanted, strict=True):
        # Lengths that differ by rounding only share one exponential.
        decay, gain = _transition(model, round(stop - start, 12))
        left = decay @ amounts
        needed = (target * volume / _NG_ML_PER_MG_L - float(left[0])) / float(gain[0])
        rate = min(max(needed, 0.0), limit)
        amounts = left + gain * rate
        rates.append(rate)
        levels.append(float(amounts[0]) / volume * _NG_ML_PER_MG_L)
    return rates, levels


def _infusions(drug: str, edges: Sequence[float], rates: Sequence[float]) -> Regimen:
    """One infusion for each span of equal rate; none where it is zero."""
    doses = []
    spans = zip(itertools.pairwise(edges), rates, strict=True)
    for rate, group in itertools.groupby(spans, key=lambda span: span[1]):
        steps = [step for step, _ in group]
        start, stop = steps[0][0], steps[-1][1]
        if rate > 0.0:
            doses.append(iv_infusion(drug, rate, "mg/h", stop - start, start))
    return Regimen(tuple(doses))
