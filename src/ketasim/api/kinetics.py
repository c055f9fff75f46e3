"""Plasma and block of one person under a regimen, with exposure, occupancy and published rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ketasim.api.kinetic_rows import is_ketamine, nearest_readings, option_notes, regimen_notes
from ketasim.api.options import require, taken_beside, texts
from ketasim.dosing import DRUGS, Regimen, parse_regimen
from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.kinetics import kinetic_simulator, simulate_kinetics
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.pharmacokinetics import ENANTIOMERS, SPECIES
from ketasim.model.readouts import person_parameters
from ketasim.model.receptors import TARGETS
from ketasim.model.times import output_times
from ketasim.units import parse_duration, parse_quantity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ANCESTRIES", "PkResult", "nearest_readings", "simulate_pk"]

FloatArray = npt.NDArray[np.float64]

#: Ancestries with a known effect, and none.
ANCESTRIES = ("none", "asian", "japanese")

#: Hours after the last dose that are simulated, so that what is left does not matter; a moment after a bolus.
_TAIL_H, _JUST_AFTER_H = 96.0, 1e-5


@dataclass(frozen=True)
class PkResult:
    """What a regimen gives in plasma and at the channel.

    Parameters
    ----------
    regimen : Regimen
        What was given.
    person : dict of str to float or str
        Who.
    times_h : array, shape (times,)
        Hours from the first dose.
    quantities : dict of str to array, shape (times,)
        Every quantity of the stages pharmacokinetics, comparators and receptors, in its shown unit.
    mass_mg : float
        Free base given in all.
    notes : tuple of str
        What a reader should know, such as that a route is not validated.
    """

    regimen: Regimen
    person: dict[str, Any]
    times_h: FloatArray
    quantities: dict[str, FloatArray]
    mass_mg: float
    notes: tuple[str, ...]

    def curve(self, name: str) -> tuple[FloatArray, str, str]:
        """Values, unit and label of a quantity."""
        items = kinetic_simulator().chain.quantities
        if name not in items:
            raise ModelError(unknown_name("quantity", name, items))
        return self.quantities[name], items[name].shown_unit, items[name].label

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Species of ketamine in plasma that the regimen brings about, sums first."""
        every = [f"{prefix}{name}" for name in SPECIES for prefix in ("", *(f"{e}_" for e in ENANTIOMERS))]
        found = [name for name in every if self.quantities[f"{name}_venous"].max() > 0.0]
        # Of one enantiomer alone the sum is the same again.
        both = any(name.startswith("s_") for name in found) and any(n.startswith("r_") for n in found)
        return tuple(name for name in found if both or name not in SPECIES)

    @cached_property
    def exposure(self) -> dict[str, dict[str, Any]]:
        """Non-compartmental numbers of each species and site; None where there is none, with the reason.

        Areas count from the first dose to infinity; ``clearance`` of what was given stands only
        where all of it was given by vein (else it is ``clearance_over_f``).
        """
        from ketasim.nca import analyse, metabolite_ratio

        found: dict[str, dict[str, Any]] = {}
        doses = [dose for dose in self.regimen.doses if is_ketamine(dose.drug)]
        intravenous = all(dose.route in ("iv_infusion", "iv_bolus") for dose in doses)
        single = doses[0] if len(doses) == 1 else None
        interval = single.steady_state_h if single else None
        # A course that began in a steady state has no first dose from which areas count.
        begun = any(dose.steady_state_h is not None for dose in doses)
        analyses: dict[str, Any] = {}
        for name in self.species:
            is_parent = _base(name) == "ketamine"
            for site in ("venous", "arterial") if is_parent else ("venous",):
                times, values = self._sampled(name, site)
                given = self._given(name) if is_parent else None
                result = analyse(
                    times,
                    values,
                    dose=given if single or not begun else None,
                    infusion_h=(single.duration_h or 0.0) if single and intravenous else 0.0,
                    interval_h=interval,
                    steady_state=None if interval is None else True,
                    # A bolus is followed from just after it, so that nothing has to be guessed back.
                    extravascular=not (intravenous and single and single.duration_h),
                    partial=((0.0, 24.0 if interval is None else interval),),
                )
                analyses[f"{name}_{site}"] = result
                found[f"{name}_{site}"] = self._numbers(result, intravenous, len(doses) == 1)
        for name in self.species:
            base = _base(name)
            parent = f"{name.removesuffix(base)}ketamine_venous"
            if base != "ketamine" and parent in analyses and not begun:
                masses = [float(load_parameters()[f"molar_mass_{n}"].value) for n in ("ketamine", base)]
                ratio = metabolite_ratio(analyses[parent], analyses[f"{name}_venous"], *masses)
                found[f"{name}_venous"]["auc_over_parent"] = ratio.by_mass
        return found

    def _sampled(self, name: str, site: str) -> tuple[FloatArray, FloatArray]:
        """A curve as an analysis takes it: not below zero, and without what only rounding tells apart."""
        values = np.maximum(self.quantities[f"{name}_{site}"], 0.0)
        # Equal peaks of a course are equal, and a tail of rounding is no terminal phase.
        top = float(values.max())
        values = np.where(values >= (1.0 - 1e-6) * top, top, values)
        return self.times_h, np.where(values > 1e-7 * top, values, 0.0)

    def _given(self, name: str) -> float | None:
        """Mass of what a species is, of all that was given, in mg; None if nothing."""
        share = 0.0
        for dose in self.regimen.doses:
            moieties = DRUGS[dose.drug].moieties
            part = sum(moieties.values()) if name == "ketamine" else moieties.get(name, 0.0)
            if not is_ketamine(dose.drug):
                part = 0.0
            share += part * dose.mass_mg(float(self.person["weight_kg"]), float(self.person["height_m"]))
        return share or None

    @staticmethod
    def _numbers(result: Any, intravenous: bool, single: bool) -> dict[str, Any]:
        steady = result.settings.steady_state
        area_names = ("auc_interval", "caverage", "cmin", "fluctuation") if steady else ("auc_infinity",)
        # From the first of several doses on, a mean residence time means nothing.
        names = ("cmax", "tmax", "half_life", *(("mrt",) if single else ()), *area_names)
        found = {name: getattr(result, name) for name in names}
        if not steady:
            found["auc_0_24h"] = result.partial[0].area
        dose, area = result.settings.dose, result.auc_interval if steady else result.auc_infinity
        if dose is not None and area:
            apparent = 1000.0 * dose / area
            found["clearance" if intravenous else "clearance_over_f"] = apparent
            if intravenous and result.volume_ss is not None:
                found["volume_ss"] = result.volume_ss
        found["reasons"] = {name: result.reasons[name] for name in names if name in result.reasons}
        return found

    @cached_property
    def accumulation(self) -> dict[str, float]:
        """Last over first peak and area of an interval, of ketamine; empty unless doses are even."""
        active = [dose for dose in self.regimen.doses if dose.is_active]
        if len({dose.at(0.0) for dose in active}) != 1:
            return {}
        starts = [dose.start_h for dose in active]
        steps = {round(b - a, 6) for a, b in pairwise(starts)}
        if len(starts) < 2 or len(steps) != 1 or 0.0 in steps:
            return {}
        interval, values = steps.pop(), self.quantities["ketamine_venous"]
        if starts[-1] + interval > self.times_h[-1] + 1e-9:
            return {}

        def part(start: float) -> tuple[float, float]:
            inside = (self.times_h >= start - 1e-9) & (self.times_h <= start + interval + 1e-9)
            return float(values[inside].max()), float(np.trapezoid(values[inside], self.times_h[inside]))

        first, last = part(starts[0]), part(starts[-1])
        if not (first[0] > 0.0 and first[1] > 0.0):
            return {}
        return {"interval_h": interval, "cmax": last[0] / first[0], "auc": last[1] / first[1]}

    @cached_property
    def occupancy(self) -> dict[str, dict[str, float]]:
        """Peak, its time, mean and hours above a fifth, of each block.

        ``mean_24h`` counts from the first dose; of a shorter simulation it is the mean of all of it.
        """
        found = {}
        inside = self.times_h <= 24.0
        for name, values in self.quantities.items():
            if not name.startswith("nmda_block_"):
                continue
            top = int(np.argmax(values))
            times, course = self.times_h[inside], values[inside]
            above = np.interp(np.arange(0.0, float(self.times_h[-1]), 1.0 / 60.0), self.times_h, values) > 0.2
            found[name.removeprefix("nmda_block_")] = {
                "peak": float(values[top]),
                "peak_time_h": float(self.times_h[top]),
                "mean_24h": float(np.trapezoid(course, times) / (times[-1] - times[0])),
                "hours_above_0.2": float(above.sum()) / 60.0,
            }
        return found

    @cached_property
    def targets(self) -> dict[str, dict[str, Any]]:
        """Peak occupancy of other targets."""
        return {
            name: {"label": label, "peak": float(self.quantities[f"occupancy_{name}"].max())}
            for name, (label, _) in TARGETS.items()
        }

    @cached_property
    def observations(self) -> pd.DataFrame:
        """Published rows for the nearest regimen; see :func:`nearest_readings`."""
        who = self.person
        near = nearest_readings(self.regimen, who["weight_kg"], who["height_m"])
        alike = (near["ancestry"] == who["ancestry"]) & ((near["age_y"] > 60.0) == (who["age_y"] > 60.0))
        return (near[alike] if alike.any() else near).reset_index(drop=True)

    def at(self, wanted: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Every quantity at some hours from the first dose, by label."""
        return {
            label: {n: float(np.interp(time, self.times_h, v)) for n, v in self.quantities.items()}
            for label, time in wanted.items()
        }

    def to_dict(self, at: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Everything as plain data."""
        curves = {}
        for name in self.quantities:
            values, unit, label = self.curve(name)
            curves[name] = {"unit": unit, "label": label, "values": values.tolist()}
        rows = self.observations.astype(object).where(self.observations.notna(), None)
        result = {
            "regimen": self.regimen.text,
            "mass_mg": self.mass_mg,
            "person": self.person,
            "time_h": self.times_h.tolist(),
            "curves": curves,
            "exposure": self.exposure,
            "accumulation": self.accumulation,
            "occupancy": self.occupancy,
            "targets": self.targets,
            "observations": rows.to_dict("records"),
            "notes": list(self.notes),
        }
        return result | ({"at": self.at(at)} if at else {})


def _base(species: str) -> str:
    """A species without its enantiomer."""
    return species[2:] if species[:2] in ("s_", "r_") else species


def simulate_pk(
    regimen: Regimen | str,
    *,
    weight: str = "70 kg",
    height: str = "1.70 m",
    age: float = 40.0,
    female: bool = False,
    ancestry: str = "none",
    beside: str | Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    set: Mapping[str, str] | None = None,
    duration: str | None = None,
    at: str | Sequence[str] = (),
    parameters: ParameterSet | None = None,
) -> PkResult:
    """Simulate plasma, exposure and block of one adult.

    Parameters
    ----------
    regimen : Regimen or str
        For example ``"0.5 mg/kg ketamine iv over 40 min"``.
    weight, height : str
        Such as ``"70 kg"`` and ``"1.70 m"``.
    age : float
        In years.
    female : bool
        Without effect unless the option ``sex_clearance`` says so.
    ancestry : str
        ``none`` (no known effect), ``asian`` or ``japanese``.
    beside : str or sequence of str
        Taken beside it throughout: rifampicin, clarithromycin, ticlopidine or grapefruit.
    options : mapping of str to str, optional
        Choices where the literature disputes, such as ``{"hnk_scale": "weiss_abstract"}``.
    set : mapping of str to str, optional
        Parameter values with units, such as ``{"clearance": "80 L/h"}``.
    duration : str, optional
        Time from the first dose, such as ``"48h"``; default: four days after the last dose.
    at : str or sequence of str
        Times that must be among the outputs.
    parameters : ParameterSet, optional
        Default: the shipped human values.

    Returns
    -------
    PkResult

    Raises
    ------
    DoseError, ModelError, UnitError
        If something given cannot be used; says what and the nearest valid choice.
    """
    require(regimen, (str, Regimen), "regimen", "'0.5 mg/kg ketamine iv over 40 min'")
    doses = parse_regimen(regimen) if isinstance(regimen, str) else regimen
    if not doses.is_active:
        raise ModelError(f"regimen: {doses.text!r} holds no drug, so there is nothing to see in plasma.")
    person = _person(weight, height, age, female, ancestry)
    own = _parameters(parameters, person, options or {}, set or {})
    inputs = taken_beside(beside)
    first = doses.first_start_h or 0.0
    last = max(dose.end_h for dose in doses.doses) - first
    length = last + _TAIL_H if duration is None else _span(duration)
    wanted = [_time(text, length) for text in texts(at, "--at")]
    begun = doses.shifted(-first)
    # What a bolus gives at once is seen just after it: a value at its time is the one before.
    wanted += [dose.start_h + _JUST_AFTER_H for dose in begun.doses if dose.route == "iv_bolus"]
    times = output_times(begun, length, wanted)
    run = simulate_kinetics(begun, times, parameters=own, inputs=inputs)
    return PkResult(
        begun,
        person | {"beside": list(inputs), "options": dict(options or {})},
        run.times_h,
        run.quantities,
        begun.mass_mg(person["weight_kg"], person["height_m"]),
        regimen_notes(begun, person["weight_kg"], person["height_m"], length)
        + option_notes(options or {}, own),
    )


def _person(weight: str, height: str, age: float, female: bool, ancestry: str) -> dict[str, Any]:
    require(weight, str, "--weight", "'70 kg'")
    require(height, str, "--height", "'1.70 m'")
    require(age, (int, float), "--age", "40")
    kilograms, metres = parse_quantity(weight, "kg", "--weight"), parse_quantity(height, "m", "--height")
    if not 3.0 <= kilograms <= 400.0:
        raise ModelError(f"--weight: {weight!r} is not the weight of a person; give 3 to 400 kg.")
    if not 0.5 <= metres <= 2.5:
        raise ModelError(f"--height: {height!r} is not the height of a person; give 0.5 to 2.5 m.")
    if not 18.0 <= age <= 110.0:
        raise ModelError(f"--age: {age:g} years is outside 18 to 110; the model is of adults.")
    if ancestry not in ANCESTRIES:
        raise ModelError(f"--ancestry: {unknown_name('ancestry', ancestry, ANCESTRIES)}")
    return {
        "weight_kg": kilograms,
        "height_m": metres,
        "age_y": float(age),
        "female": bool(female),
        "ancestry": ancestry,
    }


def _parameters(
    base: ParameterSet | None,
    person: Mapping[str, Any],
    options: Mapping[str, str],
    changed: Mapping[str, str],
) -> ParameterSet:
    own = load_parameters() if base is None else base
    own = own.with_options(options) if options else own
    own = person_parameters(own, person["weight_kg"], person["age_y"], person["ancestry"])
    own = own.with_values({"height": person["height_m"], "female": float(person["female"])})
    return own.with_texts(changed)


def _span(text: str) -> float:
    hours = parse_duration(text, "--duration")
    if not 0.0 < hours <= 8766.0:
        raise UnitError(f"--duration: {text!r} is not a length of time to simulate; give up to a year.")
    return hours


def _time(text: str, length: float) -> float:
    hours = parse_duration(text, "--at")
    if not -1e-9 <= hours <= length + 1e-9:
        raise UnitError(
            f"--at: {text!r} is outside the simulated span of 0 to {length:g} h; choose an earlier time or a "
            "longer --duration."
        )
    return hours
