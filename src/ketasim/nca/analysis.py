"""Non-compartmental analysis of one curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.nca._checks import check_range, read_curve
from ketasim.nca._settings import check_settings, litres
from ketasim.nca.profile import Profile, read_profile
from ketasim.nca.result import QUANTITIES, NcaResult, NcaSettings, PartialArea
from ketasim.nca.terminal import TerminalPhase, best_phase, chosen_phase
from ketasim.nca.trapezoids import Method

__all__ = ["analyse"]

#: A number, or the reason why there is none.
_Entry = float | str
_Entries = dict[str, _Entry]

#: What earlier doses left counts when it is above this share of the peak: the rule of bioequivalence
#: studies for the sample before the dose.
_CARRY_OVER = 0.05
#: Above this share of extrapolation an area to infinity is commonly called unreliable.
_EXTRAPOLATED = 0.2
#: A terminal fit over fewer half-lives than this is commonly called unreliable.
_SPAN = 2.0
#: At steady state the concentration at the dose and one interval later agree; beyond this they do not.
_UNSTEADY = 0.2


def analyse(
    times_h: npt.ArrayLike,
    concentrations: npt.ArrayLike,
    *,
    dose: float | None = None,
    dose_time_h: float = 0.0,
    infusion_h: float = 0.0,
    interval_h: float | None = None,
    steady_state: bool | None = None,
    extravascular: bool = False,
    end_h: float | None = None,
    partial: Iterable[tuple[float, float]] = (),
    method: Method = "linear-up log-down",
    half_life: Literal["best"] | tuple[float, float] = "best",
    concentration_unit: str = "ng/mL",
    dose_unit: str = "mg",
) -> NcaResult:
    """Analyse one curve without a model of compartments.

    Samples before the dose are left out. With ``interval_h`` the analysis ends with the interval, because
    the next dose follows; a sample at its very end must be from before that dose. A sample at the time of
    a bolus must be from after it.

    Parameters
    ----------
    times_h : array, shape (times,)
        Strictly increasing times in h.
    concentrations : array, shape (times,)
        Not below zero, in ``concentration_unit``. Zeros count as measured.
    dose : float, optional
        Amount given, in ``dose_unit``; without it there is no clearance and no volume.
    dose_time_h : float
        Time of the dose. All other times below are counted from it.
    infusion_h : float
        Length of a constant infusion; 0 for a bolus or an extravascular dose.
    interval_h : float, optional
        Time to the next dose, for the numbers over a dosing interval.
    steady_state : bool, optional
        Whether the dose is one of a long even course; must be said with ``interval_h``. If so, clearance is
        dose over the area of one interval, else dose over the area to infinity.
    extravascular : bool
        Whether the dose was absorbed first: then clearance and volume are CL/F and Vz/F, and no Vss.
    end_h : float, optional
        End of the analysis, if not that of the interval or of the samples: the time of the next dose, or a
        later time when the samples follow the last dose of a course.
    partial : iterable of (float, float)
        Ranges over which areas are asked.
    method : {"linear-up log-down", "linear"}
        Rule for areas and for values between samples.
    half_life : "best" or (float, float)
        Choose the terminal samples by adjusted r squared, or take all those in a range.
    concentration_unit, dose_unit : str
        Both of mass or both of substance if there is a dose.

    Returns
    -------
    NcaResult
        The numbers; those that cannot be had are ``None`` with a reason.

    Raises
    ------
    ModelError
        If samples are unsorted, too few, not finite or below zero, or an argument cannot be used.
    UnitError
        If a unit is unknown or the two units do not fit together.

    Notes
    -----
    Formulas: Gibaldi and Perrier 1982, Pharmacokinetics, 2nd ed.; residence time after an infusion and Vss,
    Perrier and Mayersohn 1982, J Pharm Sci 71:372; at steady state, Bauer and Gibaldi 1983, J Pharm Sci
    72:978.
    """
    settings = NcaSettings(
        dose=dose,
        dose_unit=dose_unit,
        concentration_unit=concentration_unit,
        dose_time_h=dose_time_h,
        infusion_h=infusion_h,
        interval_h=interval_h,
        steady_state=bool(steady_state),
        extravascular=extravascular,
        end_h=end_h,
        method=method,
        half_life=half_life,
    )
    check_settings(settings, steadiness_said=steady_state is not None)
    ranges = [check_range("partial", wanted) for wanted in partial]
    times, values = read_curve(times_h, concentrations)
    if values.ndim != 1 or times.ndim != 1:
        raise ModelError(
            f"concentrations has shape {values.shape}: analyse takes one curve. Call it for each subject, or "
            "analyse_many for peaks and areas of all."
        )
    profile = read_profile(times, values, settings)
    phase = _phase(profile, settings)
    entries = _exposure(profile)
    entries |= _terminal(phase)
    entries |= _infinity(profile, phase, entries)
    entries |= _over_interval(profile, phase, settings)
    entries |= _disposition(profile, settings, entries)
    return _result(profile, phase, settings, entries, ranges)


def _phase(profile: Profile, settings: NcaSettings) -> TerminalPhase | str:
    times, values = profile.sampled
    if not (values > 0.0).any():
        return "no sample is above zero"
    if not isinstance(settings.half_life, str):
        return chosen_phase(times, values, *settings.half_life)
    return best_phase(times, values, max(float(times[values.argmax()]), settings.infusion_h))


def _exposure(profile: Profile) -> _Entries:
    """Peak, last concentration, and areas to it."""
    times, values = profile.sampled
    entries: _Entries = {"c0": float(profile.values[0]), "cmax": float(values.max())}
    above = np.flatnonzero(values > 0.0)
    if not len(above):
        reason = "no sample is above zero"
        return entries | {"tmax": reason, "clast": reason, "tlast": reason, "auc_last": 0.0, "aumc_last": 0.0}
    entries["tmax"] = float(times[values.argmax()])
    entries["clast"], entries["tlast"] = float(values[above[-1]]), float(times[above[-1]])
    entries["auc_last"], entries["aumc_last"] = _pair(profile.integrals(0.0, float(times[above[-1]]), None))
    return entries


def _pair(integrals: tuple[float, float] | str) -> tuple[_Entry, _Entry]:
    return (integrals, integrals) if isinstance(integrals, str) else integrals


def _combine(formula: Callable[..., _Entry], *parts: _Entry) -> _Entry:
    """Apply a formula, or pass on the first reason why a part of it is missing."""
    missing = next((part for part in parts if isinstance(part, str)), None)
    return formula(*parts) if missing is None else missing


def _terminal(phase: TerminalPhase | str) -> _Entries:
    names = ("lambda_z", "half_life", "r_squared_adjusted", "span", "clast_predicted")
    if isinstance(phase, str):
        return dict.fromkeys(names, phase)
    half_life = math.log(2.0) / phase.rate
    span = (phase.times[-1] - phase.times[0]) / half_life
    numbers = (phase.rate, half_life, phase.r_squared_adjusted, span, phase.clast_predicted)
    return dict(zip(names, numbers, strict=True))


def _infinity(profile: Profile, phase: TerminalPhase | str, known: Mapping[str, _Entry]) -> _Entries:
    """Areas and moment to infinity, and how much of them is not measured."""
    area, moment, last, time = (known[name] for name in ("auc_last", "aumc_last", "clast", "tlast"))
    rate, predicted = known["lambda_z"], known["clast_predicted"]
    tail = _combine(lambda c, k: c / k, last, rate)
    tail_predicted = _combine(lambda c, k: c / k, predicted, rate)
    entries: _Entries = {
        "auc_infinity": _combine(lambda a, b: a + b, area, tail),
        "auc_infinity_predicted": _combine(lambda a, b: a + b, area, tail_predicted),
        "aumc_infinity": _combine(lambda m, a, t, k: m + a * (t + 1.0 / k), moment, tail, time, rate),
    }
    entries["share_extrapolated"] = _combine(lambda a, b: a / b, tail, entries["auc_infinity"])
    entries["share_extrapolated_predicted"] = _combine(
        lambda a, b: a / b, tail_predicted, entries["auc_infinity_predicted"]
    )
    first = 0.0
    if profile.start != "sample" and not isinstance(phase, str):
        first = float(_pair(profile.integrals(0.0, float(profile.times[1]), None))[0])
    entries["share_back_extrapolated"] = _combine(lambda total: first / total, entries["auc_infinity"])
    return entries


def _over_interval(profile: Profile, phase: TerminalPhase | str, settings: NcaSettings) -> _Entries:
    """The numbers over one dosing interval."""
    names = ("auc_interval", "caverage", "cmax_interval", "cmin", "ctrough", "fluctuation", "swing")
    interval = settings.interval_h
    if interval is None:
        return dict.fromkeys(names, "no dosing interval was given")
    rate = None if isinstance(phase, str) else phase.rate
    area = _pair(profile.integrals(0.0, interval, rate))[0]
    trough = profile.value(interval, rate)
    times, values = profile.sampled
    inside = values[times <= interval]
    if not len(inside):
        return dict.fromkeys(names, "no sample lies in the dosing interval")
    highest = float(inside.max())
    lowest = _combine(lambda c: min(c, float(inside.min())), trough)
    average = _combine(lambda a: a / interval, area)
    return {
        "auc_interval": area,
        "caverage": average,
        "cmax_interval": highest,
        "cmin": lowest,
        "ctrough": trough,
        "fluctuation": _combine(
            lambda low, mean: (highest - low) / mean if mean > 0.0 else "caverage is zero", lowest, average
        ),
        "swing": _combine(lambda low: (highest - low) / low if low > 0.0 else "cmin is zero", lowest),
    }


def _carry_over(profile: Profile, settings: NcaSettings) -> str | None:
    """Why the area to infinity does not belong to this dose alone, if it does not."""
    if settings.steady_state or not profile.before:
        return None
    share = profile.before / float(profile.sampled[1].max() or math.inf)
    if share <= _CARRY_OVER:
        return None
    return (
        f"the concentration before the dose is {100.0 * share:.3g} % of the peak: the curve holds drug from "
        "earlier doses. Give steady_state=True and interval_h for an even course, or analyse its first dose"
    )


def _disposition(profile: Profile, settings: NcaSettings, known: Mapping[str, _Entry]) -> _Entries:
    """Residence time, clearance and volumes."""
    area = known["auc_interval"] if settings.steady_state else known["auc_infinity"]
    moment, rate = known["aumc_infinity"], known["lambda_z"]
    interval = settings.interval_h
    if settings.steady_state and interval is not None:
        # The moment of one dose, from one interval of many: what lies after it is what earlier doses left.
        inside = _pair(profile.integrals(0.0, interval, rate if isinstance(rate, float) else None))[1]
        moment = _combine(
            lambda m, whole, part: m + interval * (whole - part), inside, known["auc_infinity"], area
        )
    carried = _carry_over(profile, settings)
    if carried is not None:
        area = moment = carried
    residence = _combine(lambda m, a: _residence(m, a, settings.infusion_h), moment, area)
    clearance: _Entry = "no dose was given"
    if settings.dose is not None:
        amount = settings.dose * litres(settings.dose_unit, settings.concentration_unit)
        clearance = _combine(lambda a: amount / a if a > 0.0 else "the area is zero", area)
    volume = _combine(lambda cl, k: cl / k, clearance, rate)
    entries: _Entries = {"mrt": residence}
    if settings.extravascular:
        why = "the dose is extravascular, so its bioavailable part is unknown"
        entries |= {"clearance_over_f": clearance, "volume_z_over_f": volume}
        return entries | dict.fromkeys(("clearance", "volume_z", "volume_ss"), why)
    steady = _combine(lambda cl, mrt: cl * mrt, clearance, residence)
    entries |= {"clearance": clearance, "volume_z": volume, "volume_ss": steady}
    return entries | dict.fromkeys(("clearance_over_f", "volume_z_over_f"), "the dose is intravascular")


def _residence(moment: float, area: float, infusion: float) -> _Entry:
    if area <= 0.0:
        return "the area is zero"
    mean = moment / area - infusion / 2.0
    return mean if mean > 0.0 else f"the curve leaves before half of infusion_h = {infusion:g} h; correct it"


def _notes(profile: Profile, settings: NcaSettings, known: Mapping[str, _Entry]) -> tuple[str, ...]:
    """What a reader should know before using the numbers."""
    notes = []
    for name, where, remedy in (
        ("share_extrapolated", "after tlast", "sample longer"),
        ("share_back_extrapolated", "before the first sample", "sample earlier"),
    ):
        share = known[name]
        if isinstance(share, float) and share > _EXTRAPOLATED:
            notes.append(f"{100.0 * share:.3g} % of the area to infinity lies {where}; {remedy}.")
    span = known["span"]
    if isinstance(span, float) and span < _SPAN:
        notes.append(f"the terminal fit covers {span:.2g} half-lives; below {_SPAN:g} it is uncertain.")
    if known["tmax"] == profile.sampled[0][0] and not settings.bolus and known["tmax"] != 0.0:
        notes.append("the first sample after the dose is the largest; the peak may lie before it.")
    carried = _carry_over(profile, settings)
    if carried is not None:
        notes.append(f"{carried}.")
    trough, before = known["ctrough"], profile.before
    comparable = settings.steady_state and not settings.bolus and profile.start == "sample"
    if comparable and before is not None and isinstance(trough, float):
        larger = max(trough, before)
        if abs(trough - before) > _UNSTEADY * larger:
            notes.append(
                f"the concentration is {before:.4g} before the dose and {trough:.4g} at the end of the "
                "interval: this is not a steady state."
            )
    return tuple(notes)


def _result(
    profile: Profile,
    phase: TerminalPhase | str,
    settings: NcaSettings,
    entries: _Entries,
    ranges: list[tuple[float, float]],
) -> NcaResult:
    """Split numbers from reasons and put everything together."""
    number = {name: None if isinstance(entries[name], str) else float(entries[name]) for name in QUANTITIES}
    rate = None if isinstance(phase, str) else phase.rate
    partial = []
    for start, end in ranges:
        area = _pair(profile.integrals(start, end, rate))[0]
        known, reason = (None, area) if isinstance(area, str) else (area, None)
        partial.append(PartialArea(start, end, known, reason))
    return NcaResult(
        settings=settings,
        start=profile.start,
        c0=number["c0"],
        cmax=number["cmax"],
        tmax=number["tmax"],
        clast=number["clast"],
        tlast=number["tlast"],
        auc_last=number["auc_last"],
        auc_infinity=number["auc_infinity"],
        auc_infinity_predicted=number["auc_infinity_predicted"],
        share_extrapolated=number["share_extrapolated"],
        share_extrapolated_predicted=number["share_extrapolated_predicted"],
        share_back_extrapolated=number["share_back_extrapolated"],
        aumc_last=number["aumc_last"],
        aumc_infinity=number["aumc_infinity"],
        mrt=number["mrt"],
        lambda_z=number["lambda_z"],
        half_life=number["half_life"],
        r_squared_adjusted=number["r_squared_adjusted"],
        span=number["span"],
        clast_predicted=number["clast_predicted"],
        auc_interval=number["auc_interval"],
        caverage=number["caverage"],
        cmax_interval=number["cmax_interval"],
        cmin=number["cmin"],
        ctrough=number["ctrough"],
        fluctuation=number["fluctuation"],
        swing=number["swing"],
        clearance=number["clearance"],
        clearance_over_f=number["clearance_over_f"],
        volume_z=number["volume_z"],
        volume_z_over_f=number["volume_z_over_f"],
        volume_ss=number["volume_ss"],
        partial=tuple(partial),
        lambda_z_times=() if isinstance(phase, str) else phase.times,
        lambda_z_concentrations=() if isinstance(phase, str) else phase.values,
        reasons={name: entry for name, entry in entries.items() if isinstance(entry, str)},
        notes=_notes(profile, settings, entries),
    )
