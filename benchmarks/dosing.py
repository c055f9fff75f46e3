"""What it costs that everybody has covariates, a route and dose times of his own.

24 hours, values every hour of three quantities. In each round all crowds take turns, so that a
busy machine slows them alike. Each crowd is one call:

- ``one regimen``: everybody is the reference adult and gets the same infusion at the same time;
- ``one a route``: the same adult, with one regimen for each route;
- ``individual``: as many people by the same routes in random order, each with his own weight, age,
  liver, blood flow and volume, amount, length and time of dose.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.cases import SEVERITY, chain_simulator
from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import KetasimError
from ketasim.model.kinetics import kinetic_simulator, untreated
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.patients import Patient, Wanted
from ketasim.model.simulator import Case, Simulator

__all__ = ["MOST", "dosing"]

#: The bar: individual people may take so many times as long as people who are all alike.
MOST = 2.0
PEOPLE, QUICK_PEOPLE, CHAIN_PEOPLE = 10_000, 1_000, 1_000
ROUNDS, QUICK_ROUNDS = 5, 2

#: One dose by each route; its amount in mg/kg and its length in minutes are filled in.
ROUTES = (
    "{:.4g} mg/kg ketamine iv over {} min",
    "{:.4g} mg/kg ketamine iv bolus",
    "{:.4g} mg/kg ketamine im",
    "{:.4g} mg/kg ketamine sc (F 0.9, ka 2.5 /h)",
    "{:.4g} mg/kg esketamine intranasal",
    "{:.4g} mg/kg ketamine oral",
    "{:.4g} mg/kg ketamine oral prolonged release",
    "{:.4g} mg/kg ketamine sublingual",
    "{:.4g} mg/kg ketamine rectal (F 0.25, ka 1.5 /h)",
    "{:.4g} mg/kg esketamine inhaled over {} min",
)
_AMOUNT, _MINUTES = 0.5, 40
TIMES = np.arange(0.0, 25.0)
OUTPUTS = ("ketamine_venous", "norketamine_venous", "nmda_block_mean")
#: Standard deviations of the logarithm of what differs.
SPREADS = {"weight": 0.2, "intrinsic_clearance_factor": 0.3, "flow_hepatic": 0.05, "volume_central": 0.25}

_Person = tuple[ParameterSet, Regimen]


def dosing(quick: bool) -> dict[str, object]:
    """Measure the crowds, by plasma and block alone and by the whole chain.

    Parameters
    ----------
    quick : bool
        Fewer people and rounds.

    Returns
    -------
    dict
        ``most`` (the bar), ``load`` of the machine, and for ``plasma and block`` and ``chain`` what
        :func:`measured` gives.
    """
    people, rounds = (QUICK_PEOPLE, QUICK_ROUNDS) if quick else (PEOPLE, ROUNDS)
    chain = chain_simulator()
    return {
        "most": MOST,
        # Absent on Windows.
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "plasma and block": measured(kinetic_simulator(), people, rounds, _empty),
        "chain": measured(chain, min(people, CHAIN_PEOPLE), rounds, lambda sets: _depressed(chain, sets)),
    }


def measured(
    simulator: Simulator,
    people: int,
    rounds: int,
    at_start: Callable[[Sequence[ParameterSet]], list[Patient]],
) -> dict[str, object]:
    """Time each crowd in turns.

    Parameters
    ----------
    simulator : Simulator
        The model.
    people : int
        Size of a crowd.
    rounds : int
        How often each is timed.
    at_start : callable
        Gives the patients of parameter sets; not timed.

    Returns
    -------
    dict
        ``people``; ``seconds``, wall-clock time of each crowd in each round; ``ratios`` of the time of
        individual people to that of each other crowd; ``written``, the share of the former that writing
        parameters, doses and events as arrays takes.
    """
    crowds = {
        name: _cases(crowd, at_start)
        for name, crowd in (
            ("one regimen", _one_regimen(people)),
            ("one a route", _one_a_route(people)),
            ("individual", _individual(people)),
        )
    }
    for cases in crowds.values():
        _run(simulator, cases[:: max(1, people // 100)])
    seconds: dict[str, list[float]] = {name: [] for name in crowds}
    written = []
    for _ in range(rounds):
        for name, cases in crowds.items():
            start = time.perf_counter()
            _run(simulator, cases)
            seconds[name].append(time.perf_counter() - start)
        start = time.perf_counter()
        # All that comes before the solver and is no part of it; there is no public way to stop there.
        simulator._batch(crowds["individual"])
        written.append(time.perf_counter() - start)
    own = seconds["individual"]
    others = {name: taken for name, taken in seconds.items() if name != "individual"}
    return {
        "people": people,
        "seconds": seconds,
        "ratios": {name: [a / b for a, b in zip(own, taken, strict=True)] for name, taken in others.items()},
        "written": statistics.median(written) / statistics.median(own),
    }


def _run(simulator: Simulator, cases: Sequence[Case]) -> None:
    for found in simulator.run_many(cases, OUTPUTS):
        if isinstance(found, KetasimError):
            raise found


def _cases(
    crowd: Sequence[_Person], at_start: Callable[[Sequence[ParameterSet]], list[Patient]]
) -> list[Case]:
    sets = {id(own): own for own, _ in crowd}
    patients = dict(zip(sets, at_start(list(sets.values())), strict=True))
    return [Case(patients[id(own)], regimen, TIMES) for own, regimen in crowd]


def _empty(sets: Sequence[ParameterSet]) -> list[Patient]:
    return [untreated(own) for own in sets]


def _depressed(simulator: Simulator, sets: Sequence[ParameterSet]) -> list[Patient]:
    found = []
    for patient in simulator.depressed_many([Wanted(own, SEVERITY) for own in sets]):
        if isinstance(patient, KetasimError):
            raise patient
        found.append(patient)
    return found


def _one_regimen(people: int) -> list[_Person]:
    return [(load_parameters(), parse_regimen(ROUTES[0].format(_AMOUNT, _MINUTES)))] * people


def _one_a_route(people: int) -> list[_Person]:
    regimens = [parse_regimen(text.format(_AMOUNT, _MINUTES)) for text in ROUTES]
    return [(load_parameters(), regimens[place * len(ROUTES) // people]) for place in range(people)]


def _individual(people: int) -> list[_Person]:
    rng = np.random.default_rng(20)
    typical = load_parameters()
    found = []
    for place in rng.permutation(people).tolist():
        text = ROUTES[place % len(ROUTES)].format(_AMOUNT * rng.uniform(0.5, 2.0), rng.integers(5, 90))
        values = {
            name: typical[name].value * float(np.exp(spread * rng.standard_normal()))
            for name, spread in SPREADS.items()
        }
        own = typical.with_values(values | {"age": float(rng.uniform(18.0, 85.0))})
        found.append((own, parse_regimen(text).shifted(float(rng.uniform(0.0, 6.0)))))
    return found
