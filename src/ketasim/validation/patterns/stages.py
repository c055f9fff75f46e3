"""Patterns of stages 6 to 8: mTORC1 under drive and pulses, step responses, and sirolimus."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ketasim.engine.schedule import InputPath
from ketasim.model.clamp import Clamp
from ketasim.model.simulator import Run
from ketasim.validation.bench import NO_DRUG, SINGLE, Bench
from ketasim.validation.patterns.pattern import (
    Check,
    Found,
    Pattern,
    at_least,
    at_most,
    between,
    pattern,
    told,
)
from ketasim.validation.patterns.picture import Band, Curve, Panel, Picture

__all__ = ["PATTERNS", "exponential_miss"]

FloatArray = npt.NDArray[np.float64]

_DAY, _WEEK = 24.0, 168.0
#: Full inhibition of mTORC1: with none at all left its power has no value.
_FULL = 0.999
#: Share of the largest response from which on a miss is laid against the response itself.
_SMALLEST = 0.02


def _second(bench: Bench, hours: float) -> tuple[Run, float]:
    """Two infusions, and the second one's rise of mTORC1 as a share of the first one's."""
    single = bench.run()
    twice = bench.run(f"{SINGLE}, at 0 h, {hours:g} h", 3.0)
    extra = twice.quantities["mtorc1"] - np.interp(twice.times_h, single.times_h, single.quantities["mtorc1"])
    first = bench.peak(single, "mtorc1")[1] - bench.rest(single, "mtorc1")
    return twice, float(extra[twice.times_h >= hours].max() / first) if first > 0.0 else math.nan


@pattern(
    "mtorc1",
    "7",
    "mTORC1 peaks and falls under a constant TrkB; a second pulse is smaller at 3 h, whole at 24 h",
)
def _mtorc1(bench: Bench) -> Found:
    held = bench.run(NO_DRUG, 1.0, well=True, clamps=(Clamp("trkb", 1.5),))
    time, top = bench.peak(held, "mtorc1")
    soon, at_3 = _second(bench, 3.0)
    late, at_24 = _second(bench, 24.0)
    checks = (
        at_most("time of the peak with TrkB held at 1.5", time, 6.0, "h"),
        at_most(
            "left of the peak's rise at 6 h",
            bench.rise(held, "mtorc1", 6.0) / (top - bench.rest(held, "mtorc1")),
            0.60,
        ),
        at_most("second rise at 3 h over the first", at_3, 0.90, note="smaller: under nine tenths"),
        at_least("second rise at 24 h over the first", at_24, 0.80, note="nearly whole: over four fifths"),
        at_least("second rise at 24 h over that at 3 h", at_24 / at_3, 1.0),
    )
    first_day = held.times_h <= _DAY
    left = Panel(
        "TrkB held at 1.5 of health",
        "time, h",
        "mTORC1, healthy = 1",
        (Curve("healthy adult", held.times_h[first_day], held.quantities["mtorc1"][first_day]),),
    )
    curves = []
    for name, run in (("3 h apart", soon), ("24 h apart", late)):
        shown = run.times_h <= 36.0
        curves.append(Curve(name, run.times_h[shown], run.quantities["mtorc1"][shown]))
    right = Panel("Two infusions", "time, h", "mTORC1, healthy = 1", tuple(curves))
    return Found(checks, Picture((left, right)))


def exponential_miss(
    times: FloatArray, response: FloatArray, *, pointwise: bool = False
) -> tuple[float, float]:
    """Find how badly the best single exponential misses a step response.

    Parameters
    ----------
    times : array, shape (n,)
        Time since the step, from 0.
    response : array, shape (n,)
        Departure from rest.
    pointwise : bool
        Whether a miss is a share of the response itself, where that is above a fiftieth of its largest;
        else of the largest response.

    Returns
    -------
    miss : float
        Largest miss, for the exponential ``a (1 - exp(-t / tau))`` whose
        largest miss is the smallest.
    tau : float
        Its time constant, in the unit of ``times``.
    """
    largest = float(np.abs(response).max())
    if largest <= 0.0:
        return math.nan, math.nan
    target = response / largest
    kept = np.abs(target) >= _SMALLEST if pointwise else np.ones(len(target), dtype=bool)
    scale = target[kept] if pointwise else np.ones(len(target))
    wanted = (times[kept], target[kept], scale)
    best = _best_of(*wanted, float(times[-1]) * np.geomspace(1e-3, 30.0, 160))
    return min(best, _best_of(*wanted, best[1] * np.geomspace(0.8, 1.25, 160)))


def _best_of(
    times: FloatArray, target: FloatArray, scale: FloatArray, taus: FloatArray
) -> tuple[float, float]:
    """Smallest miss over some time constants, and its time constant."""
    return min(
        (_smallest_largest((1.0 - np.exp(-times / tau)) / scale, target / scale), float(tau)) for tau in taus
    )


def _smallest_largest(shape: FloatArray, target: FloatArray) -> float:
    """Smallest of the largest misses of ``a * shape`` over all ``a``: a convex search."""
    slope = float(shape @ target / (shape @ shape))
    reach = 2.0 * float(np.abs(target).max() / np.abs(shape).max()) + abs(slope)
    low, high = slope - reach, slope + reach
    smallest = math.inf
    for _ in range(6):
        sizes = np.linspace(low, high, 33)
        misses = np.abs(sizes[:, None] * shape - target).max(axis=1)
        place = int(np.argmin(misses))
        low, high = sizes[max(place - 1, 0)], sizes[min(place + 1, 32)]
        smallest = min(smallest, float(misses[place]))
    return smallest


#: Each stage's drive with what follows it: the quantity, and the span in hours that is looked at.
_STEPS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "plasticity_drive": (("bdnf", 24.0), ("trkb", 24.0)),
    "trkb": (
        ("mtorc1", 24.0),
        ("translation", 48.0),
        ("synaptic_protein", 480.0),
        ("glua1_surface", 480.0),
    ),
    "synaptic_protein": (
        ("spine_precursors", 240.0),
        ("spines_nascent", 480.0),
        ("spines_mature", 2880.0),
    ),
}


def _step(bench: Bench, drive: str, hours: float) -> Run:
    """A healthy adult in whom a drive is held from the start where one infusion takes it in a patient."""
    level = bench.peak(bench.run(), drive)[1]
    return bench.run(NO_DRUG, math.ceil(hours / _DAY), well=True, clamps=(Clamp(drive, level),))


@pattern("steps", "6 to 8", "No step response of stages 6 to 8 is matched by one exponential to within 10 %")
def _steps(bench: Bench) -> Found:
    checks: list[Check] = []
    panels = []
    for drive, followers in _STEPS.items():
        run = _step(bench, drive, max(hours for _, hours in followers))
        curves = []
        for name, hours in followers:
            # Precursors are a state within their stage, and an output only where the model gives them out.
            if name not in run.quantities:
                continue
            times = np.linspace(0.0, hours, 961)
            response = np.interp(times, run.times_h, run.quantities[name]) - bench.rest(run, name)
            miss, tau = exponential_miss(times, response)
            of_itself, _ = exponential_miss(times, response, pointwise=True)
            checks.append(
                at_least(
                    f"{name} after a step of {drive}: largest miss of the best exponential",
                    miss,
                    0.10,
                    "",
                    f"of the largest response, over {hours:g} h (tau {tau:.3g} h); of the response itself "
                    f"{100.0 * of_itself:.0f} %, where that is over 2 % of the largest",
                )
            )
            largest = np.abs(response).max()
            # A logarithmic axis has no zero.
            curves.append(Curve(name, times[1:], response[1:] / (largest or 1.0)))
        panels.append(Panel(f"Step of {drive}", "time, h", "share of the largest", tuple(curves), log_x=True))
    return Found(tuple(checks), Picture(tuple(panels)))


def _inhibited(brain: float, periphery: float = 0.9) -> dict[str, InputPath]:
    """An mTOR inhibitor taken at the dose, for three days as oral sirolimus acts."""
    return {
        "mtor_inhibition_brain": InputPath((0.0, 72.0), (brain, 0.0)),
        "mtor_inhibition_periphery": InputPath((0.0, 72.0), (periphery, 0.0)),
    }


def _sirolimus_effects(bench: Bench, brain: float, periphery: float = 0.9) -> tuple[float, float, float]:
    """Effect at 24 h and day 7, and new spines: the largest gain of nascent ones in the first three days."""
    inputs = _inhibited(brain, periphery)
    drug, none = (bench.run(doses, 8.0, inputs=inputs) for doses in (SINGLE, NO_DRUG))
    times = np.linspace(0.0, 72.0, 289)
    gained = np.interp(times, drug.times_h, drug.quantities["spines_nascent"]) - np.interp(
        times, none.times_h, none.quantities["spines_nascent"]
    )
    effects = [
        bench.at(drug, "severity", hours) - bench.at(none, "severity", hours) for hours in (_DAY, _WEEK)
    ]
    return effects[0], effects[1], float(gained.max())


@pattern(
    "sirolimus",
    "7",
    "Sirolimus acts continuously through brain exposure: none leaves the 24 h effect, full takes new spines",
)
def _sirolimus(bench: Bench) -> Found:
    shares = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, _FULL)
    usual = _sirolimus_effects(bench, 0.0, 0.0)
    found = np.array([_sirolimus_effects(bench, share) for share in shares]) / np.array(usual)
    spines = found[:, 2]
    jump = float(np.abs(np.diff(spines) / np.diff(np.array(shares))).max())
    checks = (
        between(
            "effect at 24 h without brain exposure, over that without sirolimus",
            float(found[0, 0]),
            0.85,
            1.15,
        ),
        at_most("new spines with full brain exposure, over those without sirolimus", float(spines[-1]), 0.10),
        at_most(
            "largest rise of new spines with more exposure",
            float(np.diff(spines).max()),
            0.01,
            "",
            "continuous and falling: never up",
        ),
        told("steepest fall of new spines, share of all for each unit of exposure", jump),
        told("effect at 24 h with full brain exposure", float(found[-1, 0])),
        told("effect at day 7 without brain exposure", float(found[0, 1])),
        told("effect at day 7 with full brain exposure", float(found[-1, 1])),
    )
    percent = 100.0 * found
    names = ("effect at 24 h", "effect at day 7", "new spines")
    panel = Panel(
        "One infusion with oral sirolimus",
        "share of mTORC1 in the brain that is inhibited",
        "of that without sirolimus, %",
        tuple(Curve.of(name, shares, percent[:, place].tolist()) for place, name in enumerate(names)),
        bands=(Band("effect at 24 h, no brain exposure", 85.0, 115.0),),
    )
    return Found(checks, Picture((panel,)))


PATTERNS: tuple[Pattern, ...] = (_mtorc1, _steps, _sirolimus)
