"""What it costs that everybody has covariates, a route and dose times of his own.

Plasma and block alone (``ketasim.model.kinetics``), 24 h, three outputs. In each round both
kinds of crowd take turns, so that a busy machine slows both alike:

- alike: for each route in turn, people who are all the reference adult and are given the same
  dose at the same time;
- individual: as many people in all, by the same routes in random order, each with his own weight,
  age, clearance and blood flow, amount and time of dose.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import KetasimError
from ketasim.model.kinetics import kinetic_simulator, simulate_kinetics_many, untreated
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case

__all__ = ["ROUTES", "dosing"]

#: The bar: individual people may take so many times as long as people who are alike.
MOST = 2.0
PEOPLE, QUICK_PEOPLE = 10_000, 1_000
ROUNDS, QUICK_ROUNDS = 5, 2

#: One dose by each route, with the place of its amount.
ROUTES = (
    "{:.4g} mg/kg ketamine iv over {minutes} min",
    "{:.4g} mg/kg ketamine iv bolus",
    "{:.4g} mg/kg ketamine im",
    "{:.4g} mg/kg ketamine sc (F 0.9, ka 2.5 /h)",
    "{:.4g} mg/kg esketamine intranasal",
    "{:.4g} mg/kg ketamine oral",
    "{:.4g} mg/kg ketamine oral prolonged release",
    "{:.4g} mg/kg ketamine sublingual",
    "{:.4g} mg/kg ketamine rectal (F 0.25, ka 1.5 /h)",
    "{:.4g} mg/kg esketamine inhaled over {minutes} min",
)
_AMOUNT, _MINUTES = 0.5, 40
TIMES = np.arange(0.0, 25.0)
OUTPUTS = ("ketamine_venous", "norketamine_venous", "nmda_block_mean")
#: Logarithmic standard deviations of what differs.
SPREADS = {"weight": 0.2, "clearance": 0.15, "flow_hepatic": 0.05, "volume_central": 0.25}

FloatArray = npt.NDArray[np.float64]


def dosing(quick: bool) -> dict[str, object]:
    """Measure both kinds of crowd.

    Parameters
    ----------
    quick : bool
        Fewer people and rounds.

    Returns
    -------
    dict
        ``people``, ``most``, wall-clock seconds of each round of ``alike`` and ``individual``, their
        ``ratios``, and ``written``: the share of the time of individual people that writing their
        doses, parameters and events as arrays takes.
    """
    people, rounds = (QUICK_PEOPLE, QUICK_ROUNDS) if quick else (PEOPLE, ROUNDS)
    crowds = _alike(people), [_individual(people)]
    for crowd in crowds:
        _run([cases[: len(cases) // 10] for cases in crowd])
    taken: tuple[list[float], list[float]] = ([], [])
    written = []
    for _ in range(rounds):
        for crowd, own in zip(crowds, taken, strict=True):
            own.append(_seconds(lambda crowd=crowd: _run(crowd)))  # type: ignore[misc]
        written.append(_seconds(lambda: kinetic_simulator()._batch(crowds[1][0])))
    alike, individual = taken
    return {
        "people": people,
        "most": MOST,
        # Absent on Windows.
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "alike": alike,
        "individual": individual,
        "ratios": [b / a for a, b in zip(alike, individual, strict=True)],
        "written": statistics.median(written) / statistics.median(individual),
    }


def _seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _run(crowd: Sequence[Sequence[Case]]) -> None:
    for cases in crowd:
        for found in simulate_kinetics_many(cases, OUTPUTS):
            if isinstance(found, KetasimError):
                raise found


def _alike(people: int) -> list[list[Case]]:
    typical = untreated(load_parameters())
    regimens = [parse_regimen(text.format(_AMOUNT, minutes=_MINUTES)) for text in ROUTES]
    return [[Case(typical, regimen, TIMES)] * (people // len(ROUTES)) for regimen in regimens]


def _individual(people: int) -> list[Case]:
    rng = np.random.default_rng(20_000)
    typical = load_parameters()
    found = []
    for place in rng.permutation(people).tolist():
        amount, minutes = _AMOUNT * rng.uniform(0.5, 2.0), int(rng.integers(5, 90))
        regimen = parse_regimen(ROUTES[place % len(ROUTES)].format(amount, minutes=minutes))
        values = {
            name: typical[name].value * float(np.exp(spread * rng.standard_normal()))
            for name, spread in SPREADS.items()
        }
        own = typical.with_values(values | {"age": float(rng.uniform(18.0, 85.0))})
        found.append(Case(untreated(own), regimen.shifted(float(rng.uniform(0.0, 6.0))), TIMES))
    return found
