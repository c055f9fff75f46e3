"""A quick look: one typical adult under a regimen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ketasim.api.options import ILLNESS, length_h, require, taken_beside, texts
from ketasim.dosing import Regimen, parse_regimen
from ketasim.engine import DEFAULT_RTOL
from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.chain import Chain, build_chain
from ketasim.model.clamp import Clamp, parse_clamp
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.patients import Patient
from ketasim.model.simulator import Run, Simulator
from ketasim.model.summary import summarise_course
from ketasim.model.times import output_times
from ketasim.trials import scoring
from ketasim.units import DEFAULT_SYSTEM, UnitSystem, parse_duration, parse_quantity

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Course", "TimeCourse", "simulate_regimen"]

FloatArray = npt.NDArray[np.float64]

_DEFAULT_SEVERITY = 33.0


class TimeCourse(NamedTuple):
    """One quantity of one person over time, with what it is."""

    values: FloatArray  #: shape (times,), in ``unit``
    unit: str
    label: str
    source: str  #: the stage of the model, or the layer, that it comes from


@dataclass(frozen=True)
class Course:
    """One person's time courses under a regimen.

    Parameters
    ----------
    regimen : Regimen
        What was given.
    times_h : array, shape (times,)
        Hours from the first dose.
    quantities : dict of str to TimeCourse
        Every quantity, in the order of the chain.
    illness : str
        The state of health at the start.
    """

    regimen: Regimen
    times_h: FloatArray
    quantities: dict[str, TimeCourse]
    illness: str

    @cached_property
    def trajectories(self) -> xr.Dataset:
        """The courses as an xarray Dataset.

        Dimensions ``replicate, arm, subject, time``; time in hours from the first dose;
        one variable a quantity, with ``units``, ``long_name`` and ``source``.
        """
        # Late: xarray takes longer to load than a person to simulate.
        import xarray as xr

        from ketasim.trials.conduct.typical import course_variable

        data = {name: course_variable(*course) for name, course in self.quantities.items()}
        coords = {"replicate": [0], "arm": ["regimen"], "subject": ["typical"], "time": self.times_h}
        attributes = {"regimen": self.regimen.text, "illness": self.illness}
        dataset = xr.Dataset(data, coords=coords, attrs=attributes)
        dataset["time"].attrs = {"units": "h", "long_name": "time from the first dose"}
        return dataset

    def summary(self, at: str | Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Summarise every quantity.

        Parameters
        ----------
        at : str or sequence of str
            Times from the first dose, such as ``"40min"`` or ``"7d"``.

        Returns
        -------
        dict of str to dict
            See :func:`ketasim.model.summary.summarise_course`.

        Raises
        ------
        UnitError
            If a time cannot be read or lies outside the simulated span.
        """
        wanted = {text: _time_at(text, float(self.times_h[-1])) for text in texts(at, "--at")}
        return {
            name: summarise_course(self.times_h, course.values, course.unit, wanted)
            for name, course in self.quantities.items()
        }


def _time_at(text: str, end_h: float) -> float:
    hours = parse_duration(text, "--at")
    if not -1e-9 <= hours <= end_h + 1e-9:
        raise UnitError(
            f"--at: {text!r} is outside the simulated span of 0 to {end_h:g} h from the first "
            "dose; choose an earlier time or a larger --days."
        )
    return hours


def simulate_regimen(
    regimen: Regimen | str,
    *,
    days: str | float = "14d",
    weight: str = "70 kg",
    illness: str = "depressed",
    severity: float = _DEFAULT_SEVERITY,
    parameters: ParameterSet | None = None,
    set: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    beside: str | Sequence[str] = (),
    clamp: str | Sequence[str | Clamp] = (),
    at: str | Sequence[str] = (),
    units: UnitSystem | None = None,
    rtol: float = DEFAULT_RTOL,
) -> Course:
    """Simulate a typical adult under a regimen, without stress noise, placebo or rater.

    Parameters
    ----------
    regimen : Regimen or str
        For example ``"0.5 mg/kg ketamine iv over 40 min"``, or ``"none"``.
    days : str or float
        Time to simulate after the first dose: text with a unit, or a number of days.
    weight : str
        Body weight, such as ``"70 kg"``.
    illness : str
        ``depressed`` or ``healthy``.
    severity : float
        Severity at rest of a depressed person, in MADRS points.
    parameters : ParameterSet, optional
        Default: the shipped human values.
    set : mapping of str to str, optional
        Parameter values with units, such as ``{"clearance": "80 L/h"}``.
    options : mapping of str to str, optional
        Choices where the literature disputes, such as ``{"trapping": "habenula_24h"}``.
    beside : str or sequence of str
        Taken beside it throughout: rifampicin, clarithromycin, ticlopidine or grapefruit.
    clamp : str, or sequence of str or Clamp
        Quantities to hold, such as ``"ampa_drive@0h..24h"``; times from the first dose,
        those of a :class:`~ketasim.model.clamp.Clamp` too.
    at : str or sequence of str
        Times that must be among the outputs.
    units : UnitSystem, optional
        Units inside the model; results do not depend on them.
    rtol : float
        Accuracy of the results.

    Returns
    -------
    Course

    Raises
    ------
    DoseError, ModelError, UnitError
        If something given cannot be used; says what and the nearest valid choice.
    """
    length = length_h(days)
    simulator, regimen, patient = prepare(
        regimen,
        weight=weight,
        illness=illness,
        severity=severity,
        parameters=parameters,
        set=set,
        options=options,
        units=units,
        rtol=rtol,
    )
    inputs = taken_beside(beside)
    if any(dose.steady_state_h is not None for dose in regimen.doses):
        # What is in a steady state is there from the start.
        regimen = regimen.shifted(-(regimen.first_start_h or 0.0))
    chain, first = simulator.chain, regimen.first_start_h or 0.0
    wanted = [_time_at(text, length) for text in texts(at, "--at")]
    wished = (clamp,) if isinstance(clamp, str) else clamp
    clamps = [_clamp(item, chain, first) for item in wished]
    times = output_times(regimen, first + length, [first, *(first + time for time in wanted)])
    run = simulator.run(patient, regimen, times, inputs, clamps)
    return _labelled(run, regimen, chain, scoring.ScoringParameters.from_table(chain.parameters), illness)


def prepare(
    regimen: Regimen | str,
    *,
    weight: str,
    illness: str,
    severity: float,
    parameters: ParameterSet | None = None,
    set: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    units: UnitSystem | None = None,
    rtol: float = DEFAULT_RTOL,
) -> tuple[Simulator, Regimen, Patient]:
    """Read what is given and set the person up; see :func:`simulate_regimen`."""
    _check_types(regimen, weight, illness, severity, rtol, set)
    regimen = parse_regimen(regimen) if isinstance(regimen, str) else regimen
    chosen = _chosen_parameters(parameters, set or {}, weight, options or {})
    chain = build_chain(parameters=chosen, units=DEFAULT_SYSTEM if units is None else units)
    simulator = Simulator(chain, rtol)
    return simulator, regimen, _resting(simulator, chosen, illness, severity)


def _labelled(
    run: Run, regimen: Regimen, chain: Chain, numbers: scoring.ScoringParameters, illness: str
) -> Course:
    """Label the courses, with belief and expectancy beside them, from the first dose on."""
    # Nobody is blinded here, and without a drug there is nothing to hope for.
    open_label = scoring.Setting(open_label=float(regimen.is_active), allocation=float(regimen.is_active))
    hoped = scoring.expectation(run.times_h, run.quantities, regimen, open_label, numbers)
    times = run.times_h - (regimen.first_start_h or 0.0)
    shown = times >= -1e-9
    courses = {
        name: TimeCourse(
            run.quantities[name][shown], item.shown_unit, item.label, f"stage {chain.owner[name]}"
        )
        for name, item in chain.quantities.items()
    }
    label = "belief of having the drug, open label"
    courses["belief"] = TimeCourse(hoped.belief[shown], "ratio", label, "scoring")
    label = "points that expectancy takes from a scored MADRS, open label"
    courses["placebo"] = TimeCourse(hoped.placebo[shown], "points", label, "scoring")
    return Course(regimen, times[shown], courses, illness)


def _check_types(
    regimen: object, weight: object, illness: object, severity: object, rtol: object, changed: object
) -> None:
    """Refuse what cannot be meant, before anything is computed."""
    require(regimen, (str, Regimen), "regimen", "'0.5 mg/kg ketamine iv over 40 min'")
    require(weight, str, "--weight", "'70 kg'")
    require(illness, str, "--illness", "'depressed'")
    require(severity, (int, float), "severity", "33.0")
    require(rtol, float, "rtol", "1e-6")
    require({} if changed is None else changed, Mapping, "--set", "{'clearance': '80 L/h'}")
    if isinstance(rtol, float) and not 0.0 < rtol <= 0.1:
        raise ModelError(f"rtol: {rtol!r} is out of range; give a number above 0 and at most 0.1.")


def _clamp(item: str | Clamp, chain: Chain, first_h: float) -> Clamp:
    """Read a clamp; its times count from the first dose."""
    if isinstance(item, str):
        return parse_clamp(item, chain.quantities, first_h)
    if item.quantity not in chain.quantities:
        raise ModelError(f"clamp: {unknown_name('quantity', item.quantity, chain.quantities)}")
    return replace(item, start_h=item.start_h + first_h, end_h=item.end_h + first_h)


def _chosen_parameters(
    parameters: ParameterSet | None, texts: Mapping[str, str], weight: str, options: Mapping[str, str]
) -> ParameterSet:
    kilograms = parse_quantity(weight, "kg", "--weight")
    if not 3.0 <= kilograms <= 400.0:
        raise ModelError(f"--weight: {weight!r} is not the weight of a person; give 3 to 400 kg.")
    base = load_parameters() if parameters is None else parameters
    base = base.with_options(options) if options else base
    return base.with_values({"weight": kilograms}).with_texts(texts)


def _resting(simulator: Simulator, parameters: ParameterSet, illness: str, severity: float) -> Patient:
    if illness not in ILLNESS:
        raise ModelError(f"--illness: {unknown_name('state of health', illness, ILLNESS)}")
    if illness == "healthy":
        return simulator.healthy(parameters)
    return simulator.depressed(parameters, severity)
