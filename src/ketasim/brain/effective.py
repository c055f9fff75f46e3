"""Effective connectivity: weights that make the model's functional connectivity that of a group of people.

The pattern of the weights follows the difference between observed and modelled correlations, on the
connections that exist and on pairs of mirror regions. Their overall scale is then made as large as
safety allows, because a network near criticality shows strong correlations but no usable drug effect.
The fit uses all the freedom that the correlations have: they are fitted, not predicted. What counts is how
it does on people who were not fitted (:mod:`ketasim.brain.fit_scores`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.connectome import Connectome
from ketasim.brain.criticality import EIGENVALUE_LIMIT, RATE_CHANGE_LIMIT, Safety, dose_influences, safety
from ketasim.brain.fit_scores import FitScore, pairs, score
from ketasim.brain.influence import Influence
from ketasim.brain.linear import linear_connectivity
from ketasim.brain.model import brain_model
from ketasim.brain.parameters import NodeParameters, load_node_parameters
from ketasim.errors import BrainError

__all__ = [
    "EffectiveConnectivity",
    "FitStep",
    "Safety",
    "fit_effective_connectivity",
    "safety",
    "strongest_safe_weights",
]

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

# A step of a weight per unit of misfit, weights having a mean row sum near 1.
_GAIN = 0.05
_UPDATES = 10
# How far one round may change the scale, and how finely it is found.
_SCALE_STEP = 1.25
_HALVINGS = 5
# Where a connection exists but its measured weight is next to nothing, the fit starts from this share of the
# mean row sum; a weight of 0 could never shrink and would hide that the connection is allowed.
_LEAST = 1e-3


@dataclass(frozen=True)
class FitStep:
    """The state after one round.

    Parameters
    ----------
    correlation, rmse, slope : float
        Against the group that is fitted; see :class:`ketasim.brain.FitScore`.
    eigenvalue, rate_change : float
        The worst over the doses; see :class:`ketasim.brain.Safety`.
    mean_row_sum : float
        Of the weights.
    """

    correlation: float
    rmse: float
    slope: float
    eigenvalue: float
    rate_change: float
    mean_row_sum: float


@dataclass(frozen=True, eq=False)
class EffectiveConnectivity:
    """Fitted weights and how they came about.

    Parameters
    ----------
    weights : (n, n) array
        Symmetric, not negative; for :func:`ketasim.brain.brain_model`.
    fc : (n, n) array
        The model's functional connectivity with them.
    group : str
        The people who were fitted.
    history : tuple of FitStep
        One a round.
    safety : Safety
        Over the doses.
    fitted : FitScore
        Against the fitted group.
    plain : FitScore
        The model with the connectome's own weights, as strong as safety allows, against the same group.
    structural_correlation : float
        Between the connectome's own weights and the group's correlations, with no model between.
    connections : int
        Number of weights that were free.
    """

    weights: _Floats
    fc: _Floats
    group: str
    history: tuple[FitStep, ...]
    safety: Safety
    fitted: FitScore
    plain: FitScore
    structural_correlation: float
    connections: int

    @property
    def eigenvalue(self) -> float:
        """The worst leading eigenvalue over the doses, in 1/s."""
        return self.safety.eigenvalue


def fit_effective_connectivity(
    connectome: Connectome,
    group: str | _Floats,
    *,
    node: NodeParameters | None = None,
    influences: Sequence[Influence] | None = None,
    eigenvalue_limit: float = -1.8,
    rate_change_limit: float = 0.18,
    edge_share: float = 0.7,
    rounds: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> EffectiveConnectivity:
    """Fit the weights of a connectome to the functional connectivity of a group.

    Parameters
    ----------
    connectome : Connectome
        Says which connections exist, which regions mirror each other, and holds the groups.
    group : str or (n, n) array
        Name of a group of the connectome, or correlations.
    node : NodeParameters, optional
        Default: the shipped table.
    influences : sequence of Influence, optional
        Doses at which both limits must hold; default: :func:`ketasim.brain.dose_influences`.
    eigenvalue_limit : float
        Largest leading eigenvalue at any dose in 1/s; the default keeps a distance from the -1.5 /s of
        :data:`ketasim.brain.EIGENVALUE_LIMIT`.
    rate_change_limit : float
        Largest relative change of any rate by 5 % more local weight, at any dose; below 0.2.
    edge_share : float
        Share of the existing connections, the strongest first, that is fitted; above 0, at most 1.
    rounds : int
        Rounds of ten updates of the pattern and one of the scale.
    progress : callable, optional
        Called after each round with its number and the number of rounds.

    Returns
    -------
    EffectiveConnectivity
        The round with the highest correlation.

    Raises
    ------
    BrainError
        If the group is unknown, an argument is outside its range, or no scale is safe.
    """
    _check_limits(eigenvalue_limit, rate_change_limit)
    _check_counts(edge_share, rounds)
    observed = connectome.group(group) if isinstance(group, str) else np.asarray(group, dtype=np.float64)
    if observed.shape != connectome.weights.shape:
        raise BrainError(
            f"group has shape {observed.shape}; correlations of the connectome's {connectome.n_regions} "
            "regions are needed, in their order."
        )
    node = load_node_parameters() if node is None else node
    doses = dose_influences() if influences is None else tuple(influences)
    limits = _Limits(connectome, node, doses, eigenvalue_limit, rate_change_limit)
    mask = _free_connections(connectome, edge_share)
    weights = np.where(mask, np.maximum(connectome.weights, _LEAST), 0.0)
    weights, _ = limits.largest(weights / weights.sum(axis=1).mean())
    history: list[FitStep] = []
    best: tuple[float, _Floats, _Floats, Safety] | None = None
    for number in range(rounds):
        for _ in range(_UPDATES):
            weights = _updated(connectome, node, weights, observed, mask)
        weights, distance = limits.largest(weights)
        fc = linear_connectivity(brain_model(connectome, node, weights)).fc
        now = score(fc, observed)
        history.append(
            FitStep(
                now.correlation,
                now.rmse,
                now.slope,
                distance.eigenvalue,
                distance.rate_change,
                float(weights.sum(axis=1).mean()),
            )
        )
        if best is None or now.correlation > best[0]:
            best = (now.correlation, weights, fc, distance)
        if progress is not None:
            progress(number + 1, rounds)
    if best is None:
        raise BrainError(f"rounds is {rounds}; it must be at least 1.")
    _, weights, fc, distance = best
    plain, _ = limits.largest(connectome.weights)
    plain_fc = linear_connectivity(brain_model(connectome, node, plain)).fc
    structure = np.corrcoef(pairs(connectome.weights), pairs(observed))[0, 1]
    return EffectiveConnectivity(
        weights=weights,
        fc=fc,
        group=group if isinstance(group, str) else "given correlations",
        history=tuple(history),
        safety=distance,
        fitted=score(fc, observed),
        plain=score(plain_fc, observed),
        structural_correlation=float(structure),
        connections=int(mask.sum()) // 2,
    )


def strongest_safe_weights(
    connectome: Connectome,
    *,
    node: NodeParameters | None = None,
    influences: Sequence[Influence] | None = None,
    eigenvalue_limit: float = -1.8,
    rate_change_limit: float = 0.18,
) -> _Floats:
    """Scale the connectome's own weights to the largest scale that is safe at every dose.

    For connectomes without functional connectivity: their pattern stays, only the scale changes.

    Parameters
    ----------
    connectome : Connectome
        The weights.
    node, influences, eigenvalue_limit, rate_change_limit
        As for :func:`fit_effective_connectivity`.

    Returns
    -------
    (n, n) array
        For :func:`ketasim.brain.brain_model`.

    Raises
    ------
    BrainError
        If a limit is outside its range or no scale is safe.
    """
    _check_limits(eigenvalue_limit, rate_change_limit)
    node = load_node_parameters() if node is None else node
    doses = dose_influences() if influences is None else tuple(influences)
    limits = _Limits(connectome, node, doses, eigenvalue_limit, rate_change_limit)
    return limits.largest(connectome.weights)[0]


def _check_limits(eigenvalue_limit: float, rate_change_limit: float) -> None:
    if not eigenvalue_limit <= EIGENVALUE_LIMIT:
        raise BrainError(
            f"eigenvalue_limit is {eigenvalue_limit} /s; it must be at most {EIGENVALUE_LIMIT} /s."
        )
    if not 0.0 < rate_change_limit <= RATE_CHANGE_LIMIT:
        raise BrainError(
            f"rate_change_limit is {rate_change_limit}; it must be above 0 and at most {RATE_CHANGE_LIMIT}."
        )


def _check_counts(edge_share: float, rounds: int) -> None:
    if not 0.0 < edge_share <= 1.0:
        raise BrainError(f"edge_share is {edge_share}; it must be above 0 and at most 1.")
    if rounds < 1:
        raise BrainError(f"rounds is {rounds}; it must be at least 1.")


def _free_connections(connectome: Connectome, edge_share: float) -> _Mask:
    """Strongest existing connections and pairs of mirror regions, (n, n)."""
    weights = connectome.weights
    mask = weights >= np.quantile(weights[weights > 0.0], 1.0 - edge_share)
    for region, mirror in enumerate(connectome.homotopic):
        if mirror >= 0:
            mask[region, mirror] = True
    return np.asarray(mask, dtype=np.bool_)


def _updated(
    connectome: Connectome, node: NodeParameters, weights: _Floats, observed: _Floats, mask: _Mask
) -> _Floats:
    """Move the pattern of the weights towards the observed correlations; the mean row sum stays.

    A safe model has weaker correlations than people have. Its misfit is therefore taken after the best
    straight line from model to observation: otherwise all weights would only grow.
    """
    fc = linear_connectivity(brain_model(connectome, node, weights)).fc
    slope, offset = np.polyfit(pairs(fc), pairs(observed), 1)
    misfit = (observed - slope * fc - offset) / max(float(slope), 1.0)
    np.fill_diagonal(misfit, 0.0)
    moved = np.where(mask, np.maximum(weights + _GAIN * misfit, 0.0), 0.0)
    moved = (moved + moved.T) / 2.0
    return np.asarray(moved * (weights.sum() / moved.sum()), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Limits:
    """What a network must keep at every dose."""

    connectome: Connectome
    node: NodeParameters
    doses: Sequence[Influence]
    eigenvalue: float
    rate_change: float

    def hold(self, weights: _Floats) -> Safety | None:
        """Distance from criticality at all doses, or None as soon as a limit breaks."""
        model = brain_model(self.connectome, self.node, weights)
        rows = []
        # The middle doses, where rates are highest, break first.
        for dose in sorted(range(len(self.doses)), key=lambda k: abs(k - len(self.doses) // 3)):
            try:
                row = safety(model, [self.doses[dose]])
            except BrainError:
                return None
            if row.eigenvalue > self.eigenvalue or row.rate_change > self.rate_change:
                return None
            rows.append((dose, row))
        ordered = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
        return Safety(
            *(
                np.concatenate([getattr(row, name) for row in ordered])
                for name in ("eigenvalues", "rate_changes", "mean_rate_changes")
            )
        )

    def largest(self, weights: _Floats) -> tuple[_Floats, Safety]:
        """Scale weights up or down to the largest safe scale within reach, to 1 % of it.

        Raises
        ------
        BrainError
            If no scale is safe.
        """
        low, high = 1.0, _SCALE_STEP
        kept = self.hold(weights)
        while kept is None:
            low, high = low / _SCALE_STEP, low
            if low < 1e-3:
                raise BrainError(
                    "effective connectivity: no scale of the weights is safe at every dose; lower "
                    "local_weight, or ask for less."
                )
            kept = self.hold(low * weights)
        above = self.hold(high * weights) if high > 1.0 else None
        if above is not None:
            return high * weights, above
        for _ in range(_HALVINGS):
            middle = math.sqrt(low * high)
            found = self.hold(middle * weights)
            if found is None:
                high = middle
            else:
                low, kept = middle, found
        return low * weights, kept
