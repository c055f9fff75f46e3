"""Choose local weight and global coupling so that node, network and data agree with each other.

The NMDA shares are fitted in a network of equal regions (:mod:`ketasim.brain.node_fit`), effective
connectivity in a network of unequal ones (:mod:`ketasim.brain.effective`). Both hold together if the fitted
weights have a mean row sum of 1. For each of some local weights the global coupling that does this is found.
Of those whose network follows the circuit's excitatory rates to within the error of the targets, the one
whose connectivity is nearest to that of the people is chosen: rates alone do not tell them apart.

``python -m ketasim.brain.coupling_fit`` prints one row a local weight; ``--write PATH`` writes the table of
node parameters.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ketasim.brain.adapters import load_connectome
from ketasim.brain.connectome import Connectome
from ketasim.brain.effective import EffectiveConnectivity, fit_effective_connectivity
from ketasim.brain.fit_scores import score
from ketasim.brain.influence import Influence
from ketasim.brain.model import brain_model, fixed_point
from ketasim.brain.node_fit import (
    TARGET_SD,
    NodeFit,
    NodeTarget,
    fit_node,
    load_node_targets,
    write_node_parameters,
)
from ketasim.brain.parameters import load_node_parameters
from ketasim.errors import BrainError, KetasimError

__all__ = ["LOCAL_WEIGHTS", "CouplingRow", "choose", "fit_coupling"]

LOCAL_WEIGHTS = (0.2, 0.35, 0.5, 0.7)
"""Local weights that are tried."""

_FIRST_TOTAL = 2.1
_TURNS = 6
_FLAT = -0.1
_LONGEST_MOVE = 0.2
_ROW_SUM_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class CouplingRow:
    """What one local weight leads to.

    Parameters
    ----------
    node_fit : NodeFit
        NMDA shares at this local weight and its global coupling.
    effective : EffectiveConnectivity
        Fitted weights.
    rms_excitatory, rms_inhibitory : float
        Of the network's mean rates against the circuit's, in the natural log, over the rows of the targets.
    """

    node_fit: NodeFit
    effective: EffectiveConnectivity
    rms_excitatory: float
    rms_inhibitory: float


def _rate_errors(
    connectome: Connectome, fit: NodeFit, effective: EffectiveConnectivity, targets: Sequence[NodeTarget]
) -> tuple[float, float]:
    model = brain_model(connectome, fit.node, effective.weights)
    rest = fixed_point(model)
    errors = []
    for row in targets:
        influence = Influence(block_excitatory=row.block_pyramidal, block_inhibitory=row.block_interneuron)
        found = fixed_point(model, influence)
        ratios = (found.rate_e.mean() / rest.rate_e.mean(), found.rate_i.mean() / rest.rate_i.mean())
        errors.append(np.log(ratios) - np.log([row.pyramidal_rate, row.interneuron_rate]))
    rms = np.sqrt(np.mean(np.square(errors), axis=0))
    return float(rms[0]), float(rms[1])


def _secant_move(before: tuple[float, float], now: tuple[float, float]) -> float:
    """Step of the log coupling towards a log row sum of 0, from two such pairs; short the first time.

    Weights that fit shrink as the coupling grows, so the slope is negative; where two points deny it, or it
    is flat, the last step is not believed.
    """
    slope = (now[1] - before[1]) / (now[0] - before[0]) if now[0] != before[0] else math.nan
    move = -now[1] / slope if slope < _FLAT else now[1] / 2.0
    return max(-_LONGEST_MOVE, min(move, _LONGEST_MOVE))


def fit_coupling(
    connectome: Connectome, group: str, targets: Sequence[NodeTarget], local_weight: float, rounds: int = 8
) -> CouplingRow:
    """Find the global coupling at which fitted weights have a mean row sum of 1, for one local weight.

    Parameters
    ----------
    connectome : Connectome
        With functional connectivity.
    group : str
        People to fit.
    targets : sequence of NodeTarget
        The circuit's rates.
    local_weight : float
        Weight of recurrent excitation.
    rounds : int
        Of each fit of effective connectivity.

    Returns
    -------
    CouplingRow
        Node, weights and how well the network follows the circuit.

    Raises
    ------
    BrainError
        If no stable or no safe network is found.
    """
    node = replace(
        load_node_parameters(), local_weight=local_weight, global_coupling=_FIRST_TOTAL - local_weight
    )
    row_sum, before = np.nan, (np.nan, np.nan)
    for _ in range(_TURNS):
        fit = fit_node(targets, node)
        effective = fit_effective_connectivity(connectome, group, node=fit.node, rounds=rounds)
        row_sum = float(effective.weights.sum(axis=1).mean())
        if abs(row_sum - 1.0) < _ROW_SUM_TOLERANCE:
            return CouplingRow(fit, effective, *_rate_errors(connectome, fit, effective, targets))
        now = (math.log(node.global_coupling), math.log(row_sum))
        node = replace(fit.node, global_coupling=math.exp(now[0] + _secant_move(before, now)))
        before = now
    raise BrainError(
        f"coupling fit: at local weight {local_weight:g} the mean row sum is {row_sum:.3f} after {_TURNS} "
        "turns, not 1; try another local weight."
    )


def choose(rows: Sequence[CouplingRow]) -> CouplingRow:
    """Of the rows that follow the circuit, the one nearest to the people; if none does, the best follower.

    Parameters
    ----------
    rows : sequence of CouplingRow
        At least one.

    Returns
    -------
    CouplingRow
        The row with the smallest error of connectivity among those whose excitatory rates are off by no
        more than :data:`ketasim.brain.node_fit.TARGET_SD`.
    """
    following = [row for row in rows if row.rms_excitatory <= TARGET_SD]
    if following:
        return min(following, key=lambda row: row.effective.fitted.rmse)
    return min(rows, key=lambda row: row.rms_excitatory)


def _describe(row: CouplingRow, connectome: Connectome, held_out: str | None) -> str:
    node, safe = row.node_fit.node, row.effective.safety
    text = (
        f"w {node.local_weight:.2f}  G {node.global_coupling:.3f}  rates rms E {row.rms_excitatory:.3f} "
        f"I {row.rms_inhibitory:.3f}  fitted r {row.effective.fitted.correlation:.3f} "
        f"rmse {row.effective.fitted.rmse:.3f}  eigenvalue {safe.eigenvalue:.2f} /s  "
        f"5 % local weight {safe.rate_change:.3f}"
    )
    if held_out is not None:
        other = score(row.effective.fc, connectome.group(held_out))
        text += f"  held-out r {other.correlation:.3f}"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one row a local weight and, on request, write the table of node parameters.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the command line.

    Returns
    -------
    int
        Exit code: 0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="python -m ketasim.brain.coupling_fit", description=__doc__)
    parser.add_argument("--connectome", default="cubnm-schaefer100", help="name (default: %(default)s)")
    parser.add_argument("--group", default="train", help="people to fit (default: %(default)s)")
    parser.add_argument("--held-out", metavar="GROUP", help="people to score, not used in the choice")
    parser.add_argument("--targets", metavar="PATH", help="the circuit's rates in place of the shipped ones")
    parser.add_argument(
        "--local-weights", metavar="W", type=float, nargs="+", default=LOCAL_WEIGHTS, help="tried one by one"
    )
    parser.add_argument("--write", metavar="PATH", help="write the table of node parameters there")
    options = parser.parse_args(arguments)
    try:
        connectome, targets = load_connectome(options.connectome), load_node_targets(options.targets)
        connectome.group(options.group)
        rows = []
        for local_weight in options.local_weights:
            try:
                rows.append(fit_coupling(connectome, options.group, targets, local_weight))
            except BrainError as error:
                print(f"w {local_weight:.2f}  {error}")
                continue
            print(_describe(rows[-1], connectome, options.held_out), flush=True)
        if not rows:
            raise BrainError("coupling fit: no local weight gives a safe network.")
        best = choose(rows)
        print(f"chosen: local weight {best.node_fit.node.local_weight:g}")
        if options.write is not None:
            source = f"coupling_fit on {options.connectome}, {options.group}"
            # The coupling follows from the condition on row sums; of local weights only a few were tried.
            chosen = {"local_weight": ("assumed", "assumed"), "global_coupling": (source, "derived")}
            write_node_parameters(best.node_fit, options.write, chosen)
    except KetasimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
