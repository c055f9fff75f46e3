"""What many persons are given, as columns: the one table behind every way of writing doses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ketasim.dosing.dose import Dose
from ketasim.dosing.drugs import DRUGS
from ketasim.dosing.regimen import DEVICE_GAP_H, Regimen, split_devices
from ketasim.dosing.units_of_dose import DOSE_UNITS, mosteller
from ketasim.errors import DoseError

__all__ = ["DoseTable", "dose_table"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DoseTable:
    """Active administrations of many persons, each an entry of every column.

    Parameters
    ----------
    subject : array of int
        Place of the person, from 0.
    drug, route : array of str
        Names of :data:`~ketasim.dosing.DRUGS` and :data:`~ketasim.dosing.ROUTES`.
    time_h, duration_h : array
        Start, and length (0 for an amount given at once). It acts on [start, start + duration).
    mass_mg : array
        Free base.
    device, occasion : array of int
        Nasal device within its dose, and dose within the person's regimen, from 0.
    bioavailability, absorption_rate : array
        As given with the dose; NaN where the model's own hold. The rate is in 1/h.
    steady_state_h : array
        Interval of the endless course that the dose belongs to, in h; NaN if to none.
    """

    subject: IntArray
    drug: npt.NDArray[np.str_]
    route: npt.NDArray[np.str_]
    time_h: FloatArray
    duration_h: FloatArray
    mass_mg: FloatArray
    device: IntArray
    occasion: IntArray
    bioavailability: FloatArray
    absorption_rate: FloatArray
    steady_state_h: FloatArray

    def __len__(self) -> int:
        return len(self.subject)

    def rows(self, chosen: npt.NDArray[np.bool_] | IntArray) -> DoseTable:
        """Some of the entries."""
        return DoseTable(**{name: column[chosen] for name, column in vars(self).items()})


class _Template(NamedTuple):
    """A dose before it is known who takes it: mass = absolute + per_kg * weight + per_m2 * surface."""

    drug: str
    route: str
    time_h: float
    duration_h: float
    absolute: float
    per_kg: float
    per_m2: float
    occasion: int
    bioavailability: float
    absorption_rate: float
    steady_state_h: float


def dose_table(
    regimens: Regimen | Sequence[Regimen], weight_kg: FloatArray, height_m: FloatArray | None = None
) -> DoseTable:
    """Write what persons are given as columns.

    Parameters
    ----------
    regimens : Regimen or sequence of Regimen
        One for all, or one each.
    weight_kg : array, shape (persons,)
        Body weights.
    height_m : array, shape (persons,), optional
        Body heights; only doses per m2 need them.

    Returns
    -------
    DoseTable
        By person and time. Placebos leave no entry.

    Raises
    ------
    DoseError
        If a dose per m2 meets no height, or a nasal dose needs more than 100 devices.
    """
    weight = np.asarray(weight_kg, dtype=np.float64)
    if isinstance(regimens, Regimen):
        own = _templates(regimens)
        subject = np.repeat(np.arange(len(weight), dtype=np.int64), len(own))
        every = own * len(weight)
    else:
        each = [_templates(regimen) for regimen in regimens]
        subject = np.repeat(np.arange(len(each), dtype=np.int64), [len(own) for own in each])
        every = [template for own in each for template in own]
    names = _Template._fields
    columns = list(zip(*every, strict=True)) if every else [()] * len(names)
    kinds = {"drug": np.str_, "route": np.str_, "occasion": np.int64}
    table: dict[str, Any] = {
        name: np.array(column, dtype=kinds.get(name, np.float64))
        for name, column in zip(names, columns, strict=True)
    }
    mass = table.pop("absolute") + table.pop("per_kg") * weight[subject]
    per_m2 = table.pop("per_m2")
    if per_m2.any():
        if height_m is None:
            raise DoseError(
                "height_m: a dose per m2 needs the height of the person; give it in metres, or a dose per kg."
            )
        height = np.asarray(height_m, dtype=np.float64)
        mass = mass + np.where(per_m2 > 0.0, per_m2 * mosteller(weight, height)[subject], 0.0)
    device = np.zeros(len(subject), dtype=np.int64)
    return _with_devices(DoseTable(subject=subject, mass_mg=mass, device=device, **table))


def _templates(regimen: Regimen) -> list[_Template]:
    return [
        _Template(
            dose.drug,
            dose.route,
            dose.start_h,
            dose.duration_h or 0.0,
            *_masses(dose),
            place,
            math.nan if dose.bioavailability is None else dose.bioavailability,
            math.nan if dose.absorption_rate is None else dose.absorption_rate,
            math.nan if dose.steady_state_h is None else dose.steady_state_h,
        )
        for place, dose in enumerate(regimen.doses)
        if dose.is_active
    ]


def _masses(dose: Dose) -> tuple[float, float, float]:
    """Free base in mg: whatever the body, per kg, and per m2."""
    unit = DOSE_UNITS[dose.unit]
    if unit.per_m2:
        # A body of 36 kg and 1 m has a surface of 1 m2.
        return 0.0, 0.0, dose.mass_mg(36.0, 1.0)
    return (0.0, dose.mass_mg(1.0), 0.0) if unit.per_kg else (dose.mass_mg(1.0), 0.0, 0.0)


def _with_devices(table: DoseTable) -> DoseTable:
    """Split nasal doses into devices; see :func:`~ketasim.dosing.regimen.split_devices`."""
    nasal = np.flatnonzero(table.route == "intranasal")
    if not len(nasal):
        return table
    repeats = np.ones(len(table), dtype=np.int64)
    shares: dict[int, tuple[float, ...]] = {}
    for place in nasal.tolist():
        full = DRUGS[str(table.drug[place])].nasal_device_mg
        if full is not None:
            shares[place] = _split(float(table.mass_mg[place]), full)
            repeats[place] = len(shares[place])
    rows = np.repeat(np.arange(len(table)), repeats)
    split = table.rows(rows)
    first = np.concatenate([[0], np.cumsum(repeats)[:-1]])
    device = np.arange(len(rows)) - np.repeat(first, repeats)
    mass = split.mass_mg.copy()
    for place, own in shares.items():
        mass[first[place] : first[place] + len(own)] = own
    columns = vars(split) | {
        "device": device,
        "mass_mg": mass,
        "time_h": split.time_h + device * DEVICE_GAP_H,
    }
    return DoseTable(**columns)


_split = lru_cache(maxsize=4096)(split_devices)
