"""Fits each wiring to the same targets with the same effort, and draws what the targets leave open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ketasim.inference.calibration import BIOLOGY, Calibration, calibrate
from ketasim.inference.calibration.fitting import SEEDS, misses_of
from ketasim.inference.calibration.posterior import Ensemble, draw_ensemble
from ketasim.model.hypotheses import WIRINGS, Wiring
from ketasim.model.parameters import ParameterSet, load_parameters

__all__ = ["SETS", "WiringFit", "calibrate_wirings", "free_parameters", "opened"]

Progress = Callable[[str, int, int], None]

#: Sets that are drawn around each fit, and verdicts of the model on each.
SETS, ROUNDS = 40, 20


@dataclass(frozen=True, eq=False)
class WiringFit(Calibration):
    """The calibration of one wiring.

    Parameters
    ----------
    wiring : Wiring
        What was fitted.
    ensemble : Ensemble
        Sets that the targets leave possible.
    """

    wiring: Wiring
    ensemble: Ensemble


def free_parameters(wiring: Wiring) -> tuple[str, ...]:
    """Parameters that are fitted: the biology that is free in every wiring, and the wiring's own."""
    return (*BIOLOGY, *wiring.free)


def opened(wiring: Wiring, parameters: ParameterSet | None = None) -> ParameterSet:
    """Tables of a wiring before its fit: what it fixes in place, and its own ranges for what it opens.

    Parameters
    ----------
    wiring : Wiring
        The wiring.
    parameters : ParameterSet, optional
        Default: the shipped human tables.

    Returns
    -------
    ParameterSet
        What the wiring opens stands in the middle of its range.
    """
    base = (load_parameters() if parameters is None else parameters).with_values(wiring.fixed)
    own = {
        name: replace(
            base[name], value=float(np.sqrt(low * high)), low=low, high=high, distribution="lognormal"
        )
        for name, (low, high) in wiring.free.items()
    }
    return ParameterSet({**base, **own}, base.correlations)


def calibrate_wirings(
    workers: int = 1,
    seeds: Sequence[int] = SEEDS,
    progress: Progress = lambda *_: None,
    *,
    names: Iterable[str] = tuple(WIRINGS),
    sets: int = SETS,
    rounds: int = ROUNDS,
    starts: int = 96,
) -> dict[str, WiringFit]:
    """Fit every wiring to the targets about the typical patient.

    Parameters
    ----------
    workers : int
        Processes.
    seeds : sequence of int
        Each is a search of its own.
    progress : callable
        Told what is done, how much of it, and how much in all.
    names : iterable of str
        Wirings; default: all, the default one among them.
    sets, rounds : int
        Sets that are drawn around each fit, and verdicts of the model on each.
    starts : int
        Points of the prior at which a search looks.

    Returns
    -------
    dict of str to WiringFit
        Targets, starts, steps and seeds are the same for all; so are the free parameters, but for what
        a wiring opens itself. Rows of trials are not fitted to: they are what the wirings are compared on.
    """
    found: dict[str, WiringFit] = {}
    for name in names:
        wiring = WIRINGS[name]

        def told(phase: str, done: int, total: int, name: str = name) -> None:
            progress(f"{name}: {phase}", done, total)

        base, free = opened(wiring), free_parameters(wiring)
        result = calibrate(
            base, names=free, trials=False, seeds=seeds, workers=workers, starts=starts, progress=told
        )
        with misses_of(base, free, trials=False, workers=workers) as misses:
            ensemble = draw_ensemble(misses, result.best, sets=sets, rounds=rounds)
        own = {item.name: getattr(result, item.name) for item in fields(Calibration)}
        found[name] = WiringFit(**own, wiring=wiring, ensemble=ensemble)
    return found
