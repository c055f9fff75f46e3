"""Make the ensemble: screen draws, run the design of each circuit that is kept, fit its surfaces.

All that was run lies in a folder of work, so that a stopped build goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from ketasim.circuit.ensemble import Circuit, Ensemble, SignShare, Surface
from ketasim.circuit.network import build_network
from ketasim.circuit.parameters import network_table
from ketasim.circuit.screening import Screened, drawn, screen_draws, table_hash
from ketasim.circuit.signs import SIGNS, log_likelihood
from ketasim.circuit.tabulate import DesignRuns, fit_surface, read_runs, run_design, write_runs
from ketasim.errors import ModelError

__all__ = ["FEWEST", "assemble", "best_draws", "build_ensemble", "circuit_runs", "sign_shares"]

#: Smallest ensemble that says something about circuits in general.
FEWEST = 20
_SHOWN_CAUSES = 3
Progress = Callable[[str, int, int], None]


def circuit_runs(
    work: Path, draw: Screened, points: int, threads: int = 1, progress: Callable[[int], None] | None = None
) -> DesignRuns:
    """Runs of a circuit at the points of the design, from the folder of work if they are there.

    Parameters
    ----------
    work : Path
        Folder of work.
    draw : Screened
        The circuit, as an accepted draw.
    points : int
        Size of the design.
    threads : int
        Runs side by side.
    progress : function, optional
        Called with the number of runs that are done.
    """
    parameters = drawn(draw.index)
    path = work / "runs" / f"{parameters.name}.json"
    runs = read_runs(path, points)
    if runs is None:
        runs = run_design(build_network(parameters, drive=draw.drive), points, threads, progress)
        write_runs(path, runs)
    return runs


def build_ensemble(
    work: Path, draws: int, keep: int, points: int, threads: int = 1, progress: Progress | None = None
) -> Ensemble:
    """Make an ensemble; what the folder of work holds already is not run again.

    Parameters
    ----------
    work : Path
        Folder of work; made if it is not there.
    draws : int
        Number of draws.
    keep : int
        Number of circuits in the ensemble, the most likely ones.
    points : int
        Points of each circuit's design; the first circuit, which is the default, has twice as many.
    threads : int
        Runs side by side; the result does not depend on it.
    progress : function, optional
        Called with what is done, how much of it, and out of how much.

    Raises
    ------
    ModelError
        If fewer than :data:`FEWEST` circuits are to be kept, or fewer than that were accepted.
    """
    if keep < FEWEST:
        raise ModelError(f"keep is {keep}; an ensemble holds at least {FEWEST} circuits.")

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    screened = screen_draws(
        work / "draws.jsonl", draws, threads, lambda done, accepted: tell(f"{accepted} accepted", done, draws)
    )
    surfaces = {}
    for rank, draw in enumerate(best_draws(screened, keep)):
        phase = f"{rank + 1} of {keep}, {drawn(draw.index).name}"
        wanted = points if rank else 2 * points
        runs = circuit_runs(work, draw, wanted, threads, partial(tell, phase, total=wanted))
        surfaces[draw.index] = fit_surface(runs)
    return assemble(screened, surfaces)


def best_draws(screened: Sequence[Screened], keep: int) -> list[Screened]:
    """Return the accepted draws that the published signs make most likely, best first.

    Raises
    ------
    ModelError
        If fewer than ``keep`` were accepted.
    """
    accepted = [one for one in screened if one.accepted]
    if len(accepted) < keep:
        raise ModelError(
            f"only {len(accepted)} of {len(screened)} draws have a plausible baseline, and {keep} are to be "
            "kept; draw more."
        )
    return sorted(accepted, key=lambda one: -log_likelihood(one.effects))[:keep]


def sign_shares(screened: Sequence[Screened]) -> tuple[SignShare, ...]:
    """Count the accepted draws that show each sign, and find which parameters go with its effect."""
    accepted = [one for one in screened if one.accepted]
    free = [entry.name for entry in network_table().values() if entry.distribution == "lognormal"]
    strengths = np.array([[drawn(one.index).value(name) for name in free] for one in accepted])
    found = []
    for sign in SIGNS:
        effect = np.array([one.effects[sign.effect] for one in accepted])
        ranks = [float(spearmanr(strengths[:, k], effect).statistic) for k in range(len(free))]
        strongest = sorted(range(len(free)), key=lambda k: -abs(ranks[k]))[:_SHOWN_CAUSES]
        causes = tuple((free[k], round(ranks[k], 2)) for k in strongest)
        shown = sum(sign.shows(one.effects) for one in accepted)
        found.append(SignShare(sign.name, sign.title, shown, len(accepted), causes))
    return tuple(found)


def assemble(screened: Sequence[Screened], surfaces: Mapping[int, Surface]) -> Ensemble:
    """Join draws and their surfaces.

    Parameters
    ----------
    screened : sequence of Screened
        All draws.
    surfaces : mapping of int to Surface
        Of the draws that are kept, by number.
    """
    kept = [one for one in best_draws(screened, len(surfaces)) if one.index in surfaces]
    likelihood = np.array([log_likelihood(one.effects) for one in kept])
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    refused: dict[str, int] = {}
    for one in screened:
        if not one.accepted:
            refused[one.refused] = refused.get(one.refused, 0) + 1
    circuits = tuple(
        Circuit(
            drawn(one.index).name,
            float(share),
            float(value),
            drawn(one.index),
            one.drive,
            one.rest,
            one.effects,
            surfaces[one.index],
        )
        for one, share, value in zip(kept, weight, likelihood, strict=True)
    )
    return Ensemble(table_hash(), len(screened), refused, sign_shares(screened), circuits)
