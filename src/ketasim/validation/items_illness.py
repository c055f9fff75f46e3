"""Emergent items of section 0: illness, rest and what pulls a patient back."""

from __future__ import annotations

import numpy as np

from ketasim.validation.bench import Bench, Finding, Item, must

__all__ = ["ITEMS"]

_YEAR = 365.0


@must("0", "An untreated patient stays where he is: at most 0.5 MADRS points of drift in a year")
def _rest_depressed(bench: Bench) -> Finding:
    madrs = bench.run("none", _YEAR).quantities["madrs"]
    drift = float(np.abs(madrs - madrs[0]).max())
    return f"drift {drift:.2g} points", drift <= 0.5


@must("0", "An untreated healthy adult stays well: MADRS at most 2 in a year")
def _rest_healthy(bench: Bench) -> Finding:
    highest = float(bench.run("none", _YEAR, well=True).quantities["madrs"].max())
    return f"highest MADRS {highest:.2f}", highest <= 2.0


@must(
    "0", "The loop of mood, stress and synapses pulls a patient back: under 1 point left 90 days after a dose"
)
def _pulled_back(bench: Bench) -> Finding:
    run = bench.run(days=90.0)
    left, best = (
        bench.effect(run, 90.0 * 24.0),
        float(bench.span(run, "severity").min() - bench.rest(run, "severity")),
    )
    return f"{left:.2f} of {best:.2f} points left", best < -1.0 and abs(left) < 1.0


ITEMS: tuple[Item, ...] = (_rest_depressed, _rest_healthy, _pulled_back)
