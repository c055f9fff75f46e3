"""The whole brain: regions with an excitatory and an inhibitory population, joined by a connectome.

For region i, with open gates S (excitatory, NMDA) and S_I (inhibitory, GABA-A)::

    I_E = W_E I0 (1 - x_E b_E) + J (1 - f_E b_E) (w_plus l S + G sum_j C_ij o_j S_j) - g J_i S_I
    I_I = W_I I0 (1 - x_I b_I) + J (1 - f_I b_I) (S + G sum_j k_i D_ij S_j) - S_I
    dS/dt = -S / tau_E + (1 - S) gamma phi_E(I_E),   dS_I/dt = -S_I / tau_I + phi_I(I_I)

The form is that of Deco et al. 2014 (J Neurosci 34:7886); shares f and x of NMDA in each path,
and long-range excitation D of inhibitory cells, are added.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.brain.connectome import Connectome
from ketasim.brain.equations import Terms, jacobian, rate, rate_slope, rates, relax
from ketasim.brain.influence import Influence
from ketasim.brain.parameters import NodeParameters, load_node_parameters
from ketasim.errors import BrainError

__all__ = [
    "BrainModel",
    "FixedPoint",
    "Influence",
    "brain_model",
    "check_stable",
    "fixed_point",
    "readapt_inhibition",
    "resting",
]

_Floats = NDArray[np.float64]
_NEWTON_STEPS = 100
_SMALLEST_MOVE = 1e-15


@dataclass(frozen=True, eq=False)
class BrainModel:
    """A network ready to be computed; :func:`brain_model` makes it.

    Parameters
    ----------
    connectome : Connectome
        The regions, and the weights they came with.
    node : NodeParameters
        What all nodes share.
    weights : (n, n) array
        Effective connectivity C: excitation of the region of the row by that of the column.
    feedforward_weights : (n, n) array
        Long-range excitation D of the inhibitory cells of the row by the region of the column.
    inhibition : (n,) array
        Weight J_i of local inhibition, in nA.
    receptor_ratio : (n,) array
        Ratio on the NMDA shares of a region, from a receptor density map; 1 without a map.
    """

    connectome: Connectome
    node: NodeParameters
    weights: _Floats
    feedforward_weights: _Floats
    inhibition: _Floats
    receptor_ratio: _Floats

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.inhibition)

    @cached_property
    def resting_gate(self) -> float:
        """Open share S of the NMDA gate at the target rate."""
        drive = self.node.opening * self.node.time_excitatory * self.node.target_rate
        return drive / (1.0 + drive)

    def terms(self, influence: Influence | None = None) -> Terms:
        """Coefficients of the currents under an influence.

        Parameters
        ----------
        influence : Influence, optional
            Default: none.

        Returns
        -------
        Terms
            As :mod:`ketasim.brain.equations` uses them.

        Raises
        ------
        BrainError
            If a field of the influence has a wrong number of values.
        """
        acts, node, n = influence or Influence(), self.node, self.n_regions
        block_e, block_i = acts.array("block_excitatory", n), acts.array("block_inhibitory", n)

        def left(share: float, block: _Floats) -> _Floats:
            return 1.0 - np.minimum(share * self.receptor_ratio, 1.0) * block

        synaptic_e = node.coupling * left(node.nmda_recurrent_excitatory, block_e)
        synaptic_i = node.coupling * left(node.nmda_recurrent_inhibitory, block_i)
        external_e = node.drive * left(node.nmda_external_excitatory, block_e)
        external_i = node.drive * left(node.nmda_external_inhibitory, block_i)
        outgoing = acts.array("outgoing_weight", n)
        forward = node.global_coupling * synaptic_i * acts.array("feedforward", n)
        return Terms(
            node=node,
            drive_excitatory=node.share_excitatory * external_e,
            drive_inhibitory=node.share_inhibitory * external_i,
            local_excitatory=synaptic_e * node.local_weight * acts.array("local_weight", n),
            local_inhibitory=synaptic_i,
            remote_excitatory=node.global_coupling * synaptic_e[:, None] * self.weights * outgoing,
            remote_inhibitory=forward[:, None] * self.feedforward_weights,
            inhibition=acts.array("inhibition_gain", n) * self.inhibition,
        )


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Where the network rests.

    Parameters
    ----------
    s_e, s_i : (n,) array
        Open gates.
    rate_e, rate_i : (n,) array
        Firing rates, in Hz.
    """

    s_e: _Floats
    s_i: _Floats
    rate_e: _Floats
    rate_i: _Floats


def _checked(name: str, weights: ArrayLike | None, n: int, default: _Floats) -> _Floats:
    if weights is None:
        return default
    matrix = np.array(weights, dtype=np.float64)
    if matrix.shape != (n, n):
        raise BrainError(f"{name} has shape {matrix.shape}; the connectome has {n} regions: give {n} x {n}.")
    wrong = np.argwhere(~(np.isfinite(matrix) & (matrix >= 0.0)))
    if wrong.size:
        i, j = (int(value) for value in wrong[0])
        raise BrainError(f"{name}[{i}, {j}] is {matrix[i, j]}; every weight must be finite and not negative.")
    return matrix


def brain_model(
    connectome: Connectome,
    node: NodeParameters | None = None,
    weights: ArrayLike | None = None,
    feedforward_weights: ArrayLike | None = None,
) -> BrainModel:
    """Join nodes by a connectome and set local inhibition so that every region fires at the target rate.

    The inhibition of each region follows in closed form: at the target rate all gates S are known,
    so that only S_I is left, one monotone equation a region.

    Parameters
    ----------
    connectome : Connectome
        The regions.
    node : NodeParameters, optional
        Default: the shipped table.
    weights : (n, n) array, optional
        Effective connectivity; default: the weights of the connectome.
    feedforward_weights : (n, n) array, optional
        Long-range excitation of inhibitory cells; default: none.

    Returns
    -------
    BrainModel
        The network at rest.

    Raises
    ------
    BrainError
        If a matrix has the wrong shape, a weight is negative or not finite, or a region cannot be
        held at the target rate.
    """
    node = load_node_parameters() if node is None else node
    n = connectome.n_regions
    ratio = np.ones(n)
    if connectome.nmda is not None:
        ratio = np.maximum(1.0 + node.receptor_slope * np.asarray(connectome.nmda, dtype=np.float64), 0.0)
    model = BrainModel(
        connectome,
        node,
        _checked("weights", weights, n, connectome.weights),
        _checked("feedforward_weights", feedforward_weights, n, np.zeros((n, n))),
        np.ones(n),
        ratio,
    )
    inhibition = _restoring(model, Influence())
    weakest = int(np.argmin(inhibition))
    if inhibition[weakest] < 0.0:
        raise BrainError(
            f"region {connectome.labels[weakest]} cannot be held at target_rate {node.target_rate:g} Hz: "
            "it stays below without any inhibition; lower the target rate or raise the drive."
        )
    return replace(model, inhibition=inhibition)


def readapt_inhibition(model: BrainModel, influence: Influence, share: float = 1.0) -> BrainModel:
    """Let local inhibition move towards what restores the target rates under an influence that lasts.

    Parameters
    ----------
    model : BrainModel
        The network before.
    influence : Influence
        What lasts.
    share : float
        How much of the way inhibition has moved, 0 to 1.

    Returns
    -------
    BrainModel
        The same network with the new inhibition. Where no inhibition would still leave a region
        below its target rate, the aim is no inhibition.

    Raises
    ------
    BrainError
        If the share is outside 0 to 1 or a field of the influence has a wrong number of values.
    """
    if not 0.0 <= share <= 1.0:
        raise BrainError(f"share is {share}; it must be between 0 and 1.")
    aim = np.maximum(_restoring(model, influence), 0.0)
    return replace(model, inhibition=model.inhibition + share * (aim - model.inhibition))


def fixed_point(
    model: BrainModel, influence: Influence | None = None, start: FixedPoint | None = None
) -> FixedPoint:
    """Where the network rests under an influence that has acted for seconds.

    Parameters
    ----------
    model : BrainModel
        The network.
    influence : Influence, optional
        Default: none.
    start : FixedPoint, optional
        Where to follow the equations from; default: the state without influence, with the rates
        that inhibition was set for.

    Returns
    -------
    FixedPoint
        Open gates and rates.

    Raises
    ------
    BrainError
        If no fixed point is reached or it is not stable.
    """
    terms = model.terms(influence)
    found = resting(model, terms, start)
    leading = float(np.linalg.eigvals(jacobian(terms, found.s_e, found.s_i)).real.max())
    check_stable(leading)
    return found


def resting(model: BrainModel, terms: Terms, start: FixedPoint | None = None) -> FixedPoint:
    """Fixed point under given terms, not checked for stability; see :func:`fixed_point`."""
    if start is None:
        s_e = np.full(model.n_regions, model.resting_gate)
        s_i = _inhibitory_gate(terms, _inhibitory_drive(terms, s_e))
    else:
        s_e, s_i = start.s_e, start.s_i
    s_e, s_i = relax(terms, s_e, s_i)
    return FixedPoint(s_e, s_i, *rates(terms, s_e, s_i))


def check_stable(eigenvalue: float) -> None:
    """Raise BrainError if the leading eigenvalue, in 1/s, is not negative."""
    if not eigenvalue < 0.0:
        raise BrainError(
            f"unstable network: the leading eigenvalue is {eigenvalue:.3g} /s, and must be negative; "
            "lower the local weights or the global coupling, or make the influence weaker."
        )


def _target_current(node: NodeParameters) -> float:
    """Excitatory current at the target rate, in nA, by Newton's method from above; the rate is convex."""
    gain = (node.gain_excitatory, node.threshold_excitatory, node.curvature_excitatory)
    current = np.array((node.target_rate + node.threshold_excitatory) / node.gain_excitatory)
    for _ in range(_NEWTON_STEPS):
        move = (node.target_rate - rate(current, *gain)) / rate_slope(current, *gain)
        current = current + move
        if abs(float(move)) < _SMALLEST_MOVE:
            break
    return float(current)


def _inhibitory_drive(terms: Terms, s_e: _Floats) -> _Floats:
    """Current of inhibitory cells without their own inhibition, in nA."""
    return terms.drive_inhibitory + terms.local_inhibitory * s_e + terms.remote_inhibitory @ s_e


def _inhibitory_gate(terms: Terms, drive: _Floats) -> _Floats:
    """S_I that solves S_I = tau_I phi_I(drive - S_I) in each region, by Newton's method."""
    node = terms.node
    gain = (node.gain_inhibitory, node.threshold_inhibitory, node.curvature_inhibitory)
    s_i = np.zeros_like(drive)
    for _ in range(_NEWTON_STEPS):
        gap = node.time_inhibitory * rate(drive - s_i, *gain) - s_i
        move = gap / (1.0 + node.time_inhibitory * rate_slope(drive - s_i, *gain))
        s_i = s_i + move
        if float(np.abs(move).max()) < _SMALLEST_MOVE:
            break
    return s_i


def _restoring(model: BrainModel, influence: Influence) -> _Floats:
    """Inhibition J_i of each region that holds the target rate under an influence, in nA; may be negative."""
    terms = replace(model, inhibition=np.ones(model.n_regions)).terms(influence)
    s_e = np.full(model.n_regions, model.resting_gate)
    s_i = _inhibitory_gate(terms, _inhibitory_drive(terms, s_e))
    excitation = terms.drive_excitatory + terms.local_excitatory * s_e + terms.remote_excitatory @ s_e
    # inhibition_gain may be 0: then no inhibition restores anything, and what is there stays.
    effect = terms.inhibition * s_i
    needed = excitation - _target_current(model.node)
    restoring = model.inhibition.copy()
    np.divide(needed, effect, out=restoring, where=effect > 0.0)
    return restoring
