"""Fit the NMDA shares of a node to the rates of the spiking circuit along the dose axis.

``python -m ketasim.brain.node_fit`` prints fit against targets, row by row; ``--write PATH`` writes
the table of node parameters with the fitted shares.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import qmc, truncnorm

from ketasim.brain.connectome import Connectome
from ketasim.brain.equations import jacobian
from ketasim.brain.influence import Influence
from ketasim.brain.model import brain_model, resting
from ketasim.brain.parameters import NodeParameters, load_node_parameters
from ketasim.brain.tables import TABLE_COLUMNS
from ketasim.errors import BrainError, KetasimError

__all__ = ["FREE", "NodeFit", "NodeTarget", "fit_node", "load_node_targets", "write_node_parameters"]

_Floats = NDArray[np.float64]
_COLUMNS = ("block_pyramidal", "block_interneuron", "pyramidal_rate", "interneuron_rate", "source")

#: What is fitted, and between which bounds; the prior is normal around the middle, with a quarter of the
#: width as SD. Rates alone hardly tell the recurrent shares from the external ones, so priors matter.
FREE = {
    "nmda_recurrent_excitatory": (0.01, 0.99),
    "nmda_recurrent_inhibitory": (0.01, 0.99),
    "nmda_external_excitatory": (0.001, 0.15),
    "nmda_external_inhibitory": (0.01, 0.5),
}
#: SD of a circuit's rate around what a node can do, in the natural log: about the circuit surfaces' error.
TARGET_SD = 0.1
_INFORMED = 0.7
_STARTS = 4
#: At no dose of the table may the homogeneous network come nearer to criticality than this, in 1/s.
EIGENVALUE_LIMIT = -1.5
_PENALTY = 10.0


@dataclass(frozen=True)
class NodeTarget:
    """Rates of the spiking circuit at one depth of block, relative to no block.

    Parameters
    ----------
    block_pyramidal, block_interneuron : float
        Blocked share of NMDA receptors, 0 to 1; that of interneurons is a mean over PV and SST cells.
    pyramidal_rate, interneuron_rate : float
        Ratios to no block, above 0.
    source : str
        Where the row comes from.
    """

    block_pyramidal: float
    block_interneuron: float
    pyramidal_rate: float
    interneuron_rate: float
    source: str


@dataclass(frozen=True, eq=False)
class NodeFit:
    """Fitted shares, and how well they hold.

    Parameters
    ----------
    node : NodeParameters
        With the fitted shares.
    errors : mapping of str to float
        Posterior standard deviation of each share, from the curvature at the best fit.
    ratios : (rows, 2) array
        Excitatory and inhibitory rate of the node relative to no block, by target.
    eigenvalue : float
        Leading eigenvalue of the homogeneous network over all targets, in 1/s.
    rms : (2,) array
        Root mean square error in the natural log of both rates.
    starts_agreeing : int
        How many of the starts ended in the same minimum.
    """

    node: NodeParameters
    errors: dict[str, float]
    ratios: _Floats
    eigenvalue: float
    rms: _Floats
    starts_agreeing: int


def load_node_targets(path: str | Path | None = None) -> tuple[NodeTarget, ...]:
    """Load targets of the node.

    Parameters
    ----------
    path : str or Path, optional
        A table with the columns of the shipped ``node_targets.csv``, which is the default.

    Returns
    -------
    tuple of NodeTarget
        In the order of the file.

    Raises
    ------
    BrainError
        If the file is missing or a row breaks the rules; names the line and the column.
    """
    if path is not None and not Path(path).is_file():
        raise BrainError(f"node targets {path}: there is no such file.")
    shipped = resources.files("ketasim.brain") / "node_targets.csv"
    text = (shipped if path is None else Path(path)).read_text(encoding="utf-8")
    name = "node_targets.csv" if path is None else str(path)
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise BrainError(f"{name}: the columns must be {', '.join(_COLUMNS)}.")
    targets = []
    for row in reader:
        where = f"{name}, line {reader.line_num}"
        block_e, block_i = (_number(where, row[column], column, 1.0) for column in _COLUMNS[:2])
        rate_e, rate_i = (_number(where, row[column], column, math.inf) for column in _COLUMNS[2:4])
        targets.append(NodeTarget(block_e, block_i, rate_e, rate_i, row["source"]))
    if len(targets) < len(FREE) // 2:
        raise BrainError(f"{name}: {len(targets)} rows cannot fix {len(FREE)} shares; give more.")
    return tuple(targets)


def _number(where: str, text: str, column: str, highest: float) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 < value <= highest or math.isinf(value):
        allowed = "above 0 and at most 1" if highest == 1.0 else "finite and above 0"
        raise BrainError(f"{where}: {column} is {text!r}; it must be {allowed}.")
    return value


def _regions(n: int) -> Connectome:
    """Make n regions to hang a model on; what joins them is replaced by the caller."""
    return Connectome(
        name="homogeneous",
        weights=np.ones((n, n)) - np.eye(n),
        labels=tuple(f"dose {i + 1}" for i in range(n)),
        networks=("default",) * n,
        hemispheres=("left",) * n,
        homotopic=(-1,) * n,
        source="made up",
    )


def _ratios(
    node: NodeParameters, targets: Sequence[NodeTarget], regions: Connectome
) -> tuple[_Floats, float]:
    """Rates relative to no block, (rows, 2), and the leading eigenvalue over all rows.

    A network of equal regions with row sums of 1 acts like one region that sends its own output to
    itself; each region here is such a network at the block of one row.
    """
    model = brain_model(regions, node, weights=np.eye(len(targets)))
    block = Influence(
        block_excitatory=np.array([row.block_pyramidal for row in targets]),
        block_inhibitory=np.array([row.block_interneuron for row in targets]),
    )
    rest, terms = resting(model, model.terms()), model.terms(block)
    found = resting(model, terms)
    leading = float(np.linalg.eigvals(jacobian(terms, found.s_e, found.s_i)).real.max())
    return np.stack([found.rate_e / rest.rate_e, found.rate_i / rest.rate_i], axis=1), leading


def fit_node(targets: Sequence[NodeTarget], node: NodeParameters | None = None) -> NodeFit:
    """Fit the four NMDA shares of a node to the circuit's rates.

    Posterior mode: least squares in the natural log of both rates, all rows alike with
    :data:`TARGET_SD`, with the priors of :data:`FREE`, from a few spread starts within their
    bounds. The homogeneous network must be stable at every row.

    Parameters
    ----------
    targets : sequence of NodeTarget
        Rows along the dose axis.
    node : NodeParameters, optional
        All other parameters; default: the shipped table.

    Returns
    -------
    NodeFit
        The best fit.

    Raises
    ------
    BrainError
        If no start leads to a stable network.
    """
    given = load_node_parameters() if node is None else node
    wanted = np.log([[row.pyramidal_rate, row.interneuron_rate] for row in targets])
    regions = _regions(len(targets))
    low, high = np.array(list(FREE.values())).T
    middle, prior_sd = (low + high) / 2.0, (high - low) / 4.0

    def with_shares(theta: _Floats) -> NodeParameters:
        return replace(given, **{name: float(value) for name, value in zip(FREE, theta, strict=True)})

    def residuals(theta: _Floats) -> _Floats:
        ratios, leading = _ratios(with_shares(theta), targets, regions)
        unsafe = _PENALTY * max(leading - EIGENVALUE_LIMIT, 0.0)
        from_rows = (np.log(ratios) - wanted).ravel() / TARGET_SD
        return np.concatenate([from_rows, (theta - middle) / prior_sd, [unsafe]])

    spread = qmc.Sobol(len(FREE), rng=np.random.default_rng(0)).random(_STARTS)
    ends = []
    for start in low + (high - low) * (0.05 + 0.9 * spread):
        try:
            ends.append(least_squares(residuals, start, bounds=(low, high), x_scale=high - low))
        except BrainError:
            continue
    if not ends:
        raise BrainError("node fit: no start leads to a stable network; lower local_weight or the targets.")
    best = min(ends, key=lambda end: float(end.cost))
    ratios, leading = _ratios(with_shares(best.x), targets, regions)
    errors = np.log(ratios) - wanted
    slopes = np.asarray(best.jac, dtype=np.float64)
    deviation = np.sqrt(np.diag(np.linalg.pinv(slopes.T @ slopes)))
    return NodeFit(
        node=with_shares(best.x),
        errors={name: float(value) for name, value in zip(FREE, deviation, strict=True)},
        ratios=ratios,
        eigenvalue=leading,
        rms=np.sqrt(np.mean(errors**2, axis=0)),
        starts_agreeing=sum(float(end.cost) < 1.01 * float(best.cost) + 1e-9 for end in ends),
    )


def write_node_parameters(
    fit: NodeFit, path: str | Path, chosen: Mapping[str, tuple[str, str]] | None = None
) -> None:
    """Write the table of node parameters with the fitted shares.

    All other rows stay as shipped, apart from those that are named as chosen by a search.

    Parameters
    ----------
    fit : NodeFit
        As :func:`fit_node` returns it.
    path : str or Path
        The CSV file to write; an existing one is replaced.
    chosen : mapping of str to (str, str), optional
        Other parameters whose value comes from the fit's node, and the source and grade of each.

    Raises
    ------
    BrainError
        If the file cannot be written.
    """
    shipped = (resources.files("ketasim.brain") / "node.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(shipped.splitlines()))
    for row in rows:
        if chosen and row["name"] in chosen:
            row["value"] = f"{getattr(fit.node, row['name']):.4g}"
            row["source"], row["grade"] = chosen[row["name"]]
        if row["name"] in FREE:
            value, error = float(getattr(fit.node, row["name"])), fit.errors[row["name"]]
            lowest, highest = FREE[row["name"]]
            row["value"] = f"{value:.6f}"
            row["low"] = f"{max(math.floor((value - 2.0 * error) * 1e4) / 1e4, lowest):.4g}"
            row["high"] = f"{min(math.ceil((value + 2.0 * error) * 1e4) / 1e4, highest):.4g}"
            # A share that the rows tell hardly more about than the prior does is not called calibrated.
            middle, prior_sd = (lowest + highest) / 2.0, (highest - lowest) / 4.0
            informed = _bounded_sd(value, error, lowest, highest) <= _INFORMED * _bounded_sd(
                middle, prior_sd, lowest, highest
            )
            row["source"], row["grade"] = ("node_targets.csv", "calibrated") if informed else ("assumed",) * 2
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, TABLE_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise BrainError(
            f"--write {path}: cannot be written ({error.strerror}); choose another path."
        ) from error


def _bounded_sd(middle: float, sd: float, lowest: float, highest: float) -> float:
    """SD of a normal distribution that is cut off at both bounds."""
    return float(truncnorm.std((lowest - middle) / sd, (highest - middle) / sd, scale=sd))


def _describe(fit: NodeFit, targets: Sequence[NodeTarget]) -> str:
    lines = [
        "node / circuit, ratio to no block",
        f"{'block E':>8}{'block I':>8}{'excitatory':>16}{'inhibitory':>16}",
    ]
    for row, (e, i) in zip(targets, fit.ratios, strict=True):
        lines.append(
            f"{row.block_pyramidal:8.3f}{row.block_interneuron:8.3f}"
            f"{e:9.2f} /{row.pyramidal_rate:5.2f}{i:9.2f} /{row.interneuron_rate:5.2f}"
        )
    lines += ["", f"rms error in the natural log: excitatory {fit.rms[0]:.3f}, inhibitory {fit.rms[1]:.3f}"]
    lines.append(f"leading eigenvalue over all rows: {fit.eigenvalue:.2f} /s")
    lines.append(f"starts that end here: {fit.starts_agreeing} of {_STARTS}")
    lines += [f"{name:28}{getattr(fit.node, name):8.4f} +- {error:.4f}" for name, error in fit.errors.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print fit against targets and, on request, write the table of node parameters.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the command line.

    Returns
    -------
    int
        Exit code: 0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="python -m ketasim.brain.node_fit", description=__doc__)
    parser.add_argument("--targets", metavar="PATH", help="a table of targets in place of the shipped one")
    parser.add_argument("--write", metavar="PATH", help="write the table of node parameters there")
    options = parser.parse_args(arguments)
    try:
        targets = load_node_targets(options.targets)
        fit = fit_node(targets)
        print(_describe(fit, targets))
        if options.write is not None:
            write_node_parameters(fit, options.write)
    except KetasimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
