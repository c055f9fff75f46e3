"""From published incidences by person to the chance of a harm at one treatment visit.

Publications tell how many people had a harm at least once in four weeks, and how many in the first
week. A visit's chance follows from them for people who differ, in exposure as the model says and
beyond it by a frailty:

1. The share on placebo gives the background, that on drug the part of the exposure.
2. The first week against four weeks gives the spread of the frailty: the more it is the same people who
   are hit again, the more of those ever hit are hit in the first week. One harm alone hardly tells the
   spread, so one spread is fitted to all harms for which a first week is published (least squares,
   weighted by the sampling errors of both shares).

The table ``harms.csv`` is :func:`harm_table` of :func:`derive_harms`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ketasim.trials.harms.events import HARM_COLUMNS, Harm, incidence, load_harms
from ketasim.trials.harms.evidence import Target, load_targets
from ketasim.trials.harms.exposure import EXPOSURES
from ketasim.trials.harms.people import VISITS, VirtualTrials, virtual_trials

__all__ = [
    "Derived",
    "Spread",
    "common_spread",
    "derive_harms",
    "harm_table",
    "levels",
]

Limits = tuple[float, float]

_FIRST_WEEK = 2
_LARGEST_SPREAD = 6.0
_LOG_HAZARDS = (math.log(1e-15), math.log(50.0))
#: 95 % point of chi-square with one degree of freedom.
_CHI_SQUARE_95 = 3.841459


@dataclass(frozen=True)
class Spread:
    """The spread of the frailty, fitted to all harms with a published first week.

    Parameters
    ----------
    value, low, high : float
        Estimate and 95 % interval by the profile of chi-square, which is divided by its mean per degree
        of freedom where that is above 1.
    chi_square : float
        Of the fit.
    degrees_of_freedom : int
        Harms less one.
    deviations : mapping of str to float
        Expected less published share of the first week, in standard errors, by harm.
    """

    value: float
    low: float
    high: float
    chi_square: float
    degrees_of_freedom: int
    deviations: Mapping[str, float]


@dataclass(frozen=True)
class Derived:
    """Numbers of all harms, and within which limits they lie.

    Parameters
    ----------
    harms : mapping of str to Harm
        With the derived numbers; what the evidence does not tell is as shipped.
    limits : mapping of str to mapping of str to (float, float)
        Low and high of ``background`` and ``drug``: the published share that a number comes from is moved
        to the ends of its interval.
    spread : Spread
        Common to all harms.
    """

    harms: Mapping[str, Harm]
    limits: Mapping[str, Mapping[str, Limits]]
    spread: Spread


def derive_harms(trials: VirtualTrials | None = None) -> Derived:
    """Derive the numbers of every harm from the evidence.

    Parameters
    ----------
    trials : VirtualTrials, optional
        Default: :func:`virtual_trials`.

    Returns
    -------
    Derived
    """
    trials = virtual_trials() if trials is None else trials
    targets = load_targets()
    shipped = {name: load_harms()[name] for name in targets}
    spread = common_spread(shipped, targets, trials)
    harms, limits = {}, {}
    for name, harm in shipped.items():
        target = targets[name]
        own = levels(harm.with_numbers(spread=spread.value), target, trials)
        harms[name] = own
        limits[name] = {
            "background": (
                _background(own, target.placebo.low).background,
                _background(own, target.placebo.high).background,
            )
        }
        if math.isinf(own.threshold):
            limits[name]["drug"] = (
                _drug(own, target.drug.low, target, trials).drug,
                _drug(own, target.drug.high, target, trials).drug,
            )
    return Derived(harms, limits, spread)


def common_spread(harms: Mapping[str, Harm], targets: Mapping[str, Target], trials: VirtualTrials) -> Spread:
    """Fit one spread of the frailty to the published shares of the first week.

    Parameters
    ----------
    harms : mapping of str to Harm
        Give what is not derived.
    targets : mapping of str to Target
        Published shares; those without a first week are passed over.
    trials : VirtualTrials
        The people and their exposures.

    Returns
    -------
    Spread
    """
    used = [name for name, target in targets.items() if target.week is not None]

    def deviations(spread: float) -> dict[str, float]:
        return {
            name: _week_deviation(harms[name].with_numbers(spread=spread), targets[name], trials)
            for name in used
        }

    def chi_square(spread: float) -> float:
        return math.fsum(value**2 for value in deviations(spread).values())

    best = minimize_scalar(
        chi_square, bounds=(0.0, _LARGEST_SPREAD), method="bounded", options={"xatol": 1e-4}
    )
    value, least = float(best.x), float(best.fun)
    freedom = len(used) - 1
    allowed = _CHI_SQUARE_95 * max(1.0, least / freedom)

    def excess(spread: float) -> float:
        return chi_square(spread) - least - allowed

    return Spread(
        value,
        _root(excess, 0.0, value),
        _root(excess, value, _LARGEST_SPREAD),
        least,
        freedom,
        deviations(value),
    )


def levels(harm: Harm, target: Target, trials: VirtualTrials) -> Harm:
    """Find the hazards at which four weeks have the published shares, under placebo and under drug.

    Parameters
    ----------
    harm : Harm
        Gives everything else.
    target : Target
        Published shares.
    trials : VirtualTrials
        The people and their exposures.

    Returns
    -------
    Harm
        A harm that is a threshold gets a background only.
    """
    own = _background(harm, target.placebo.value)
    return own if math.isfinite(harm.threshold) else _drug(own, target.drug.value, target, trials)


def harm_table(derived: Derived) -> str:
    """Write derived numbers, and those that are assumed, as the text of ``harms.csv``.

    Parameters
    ----------
    derived : Derived
        What :func:`derive_harms` gave.

    Returns
    -------
    str
        CSV with the columns of :data:`~ketasim.trials.harms.events.HARM_COLUMNS`.
    """
    targets = load_targets()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HARM_COLUMNS)
    for name, harm in derived.harms.items():
        writer.writerows(_rows(harm, targets[name], derived.limits[name], derived.spread))
    return text.getvalue()


def _rows(harm: Harm, target: Target, limits: Mapping[str, Limits], spread: Spread) -> list[tuple[str, ...]]:
    source = ";".join(target.sources)
    unit = EXPOSURES[harm.exposure][1]
    week = target.week is not None
    faded = harm.fading > 0.0
    pressure = harm.exposure == "systolic_rise"
    rows: dict[str, tuple[float, float, float, str, str, str, str, str]] = {
        "background": (harm.background, *limits["background"], "ratio", "lognormal", source, "derived",
                       "Hazard of a visit from the share on placebo in four weeks of two visits"),
    }  # fmt: skip
    if math.isfinite(harm.threshold):
        limit = harm.threshold
        rows["threshold"] = (limit, limit, limit, unit, "fixed", source, "measured",
                             "An exposure above it is the event by definition")  # fmt: skip
    else:
        rows |= {
            "drug": (harm.drug, *limits["drug"], "ratio", "lognormal", source, "derived",
                     "Hazard added at the reference exposure, from the share on drug in four weeks"),
            "exponent": (harm.exponent, 0.5, 2.0, "ratio", "lognormal", "assumed", "assumed",
                         "In proportion to exposure"),
            "reference": (harm.reference, harm.reference, harm.reference, unit, "fixed", "assumed", "assumed",
                          "Only says at which exposure 'drug' holds"),
            "fading": (harm.fading, 0.0, 0.063, "ratio",
                       "lognormal" if faded else "fixed",
                       "glue2018" if faded else "rivaposse2018" if pressure else "assumed",
                       "measured" if pressure else "assumed",
                       "Rate of CADSS per dose, taken over to this harm" if faded
                       else "No tolerance over infusions 1 to 6" if pressure
                       else "The exposure itself fades with repetition"),
        }  # fmt: skip
    rows["spread"] = (spread.value, spread.low, spread.high, "ratio", "lognormal",
                      ";".join(target.week_sources) if week else "assumed",
                      "derived" if week else "assumed",
                      "One spread for all harms, from first weeks against four weeks" if week
                      else "No first week published: the spread of the other harms")  # fmt: skip
    return [
        (harm.name, number, *(f"{value:.6g}" for value in row[:1]), row[3], f"{row[1]:.6g}", f"{row[2]:.6g}",
         *row[4:])
        for number, row in rows.items()
    ]  # fmt: skip


def _week_deviation(harm: Harm, target: Target, trials: VirtualTrials) -> float:
    """Expected less published share of the first week, in standard errors of both published shares."""
    week, drug = target.week, target.drug
    if week is None:
        return 0.0
    expected = trials.share(levels(harm, target, trials), target.doses, _FIRST_WEEK)
    # The expected share moves in proportion to the share of four weeks that it was fitted to.
    carried = (expected / drug.value) ** 2 * drug.value * (1.0 - drug.value) / drug.n
    error = math.sqrt(week.value * (1.0 - week.value) / week.n + carried)
    return (expected - week.value) / error


def _background(harm: Harm, share: float) -> Harm:
    """Find the hazard at which so many people have an event in four weeks without drug."""

    def error(log_hazard: float) -> float:
        return incidence(np.array([VISITS * math.exp(log_hazard)]), harm.spread) - share

    return harm.with_numbers(background=math.exp(_root(error, *_LOG_HAZARDS)))


def _drug(harm: Harm, share: float, target: Target, trials: VirtualTrials) -> Harm:
    """Find the drug's part at which so many people on drug have an event in four weeks."""

    def error(log_hazard: float) -> float:
        return trials.share(harm.with_numbers(drug=math.exp(log_hazard)), target.doses) - share

    return harm.with_numbers(drug=math.exp(_root(error, *_LOG_HAZARDS)))


def _root(error: Callable[[float], float], low: float, high: float) -> float:
    """Where an error is zero; the end of the range at which it is smallest, if it is zero nowhere."""
    ends = error(low), error(high)
    if ends[0] * ends[1] >= 0.0:
        return low if abs(ends[0]) <= abs(ends[1]) else high
    return float(brentq(error, low, high, xtol=1e-6))
