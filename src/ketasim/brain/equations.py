"""The equations of the nodes: currents, rates, their derivatives and the resting state.

The node is the reduced Wong-Wang model with an excitatory and an inhibitory population
(Deco et al. 2014), with NMDA shares in the recurrent, long-range and external drive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.parameters import NodeParameters
from ketasim.errors import BrainError

__all__ = ["Terms", "currents", "derivatives", "jacobian", "rate", "rate_slope", "rates", "relax"]

_Floats = NDArray[np.float64]
# Below this argument z / (1 - exp(-z)) is 0 to all digits, and exp(-z) would overflow.
_LOWEST = -300.0
_SERIES = 1e-4
# Pseudo-time steps of the relaxation, in s: from a fraction of the NMDA decay to plain Newton.
_FIRST_STEP = 0.05
_LONGEST_STEP = 1e9
_MOST_STEPS = 400
_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Terms:
    """Coefficients of the currents of n regions under one influence.

    Parameters
    ----------
    node : NodeParameters
        Transfer functions and decay times.
    drive_excitatory, drive_inhibitory : (n,) array
        External currents, in nA.
    local_excitatory, local_inhibitory : (n,) array
        Current per open gate of the same region, in nA.
    remote_excitatory, remote_inhibitory : (n, n) array
        Current of the region of the row per open gate of the region of the column, in nA.
    inhibition : (n,) array
        Inhibitory current onto excitatory cells per unit of S_I, in nA.
    """

    node: NodeParameters
    drive_excitatory: _Floats
    drive_inhibitory: _Floats
    local_excitatory: _Floats
    local_inhibitory: _Floats
    remote_excitatory: _Floats
    remote_inhibitory: _Floats
    inhibition: _Floats


def _shape(z: _Floats) -> tuple[_Floats, _Floats]:
    """Return z / (1 - exp(-z)) and its derivative, accurate near 0 and free of overflow."""
    z = np.maximum(z, _LOWEST)
    near = np.abs(z) < _SERIES
    safe = np.where(near, 1.0, z)
    rest = -np.expm1(-safe)
    value = safe / rest
    slope = (1.0 - value * np.exp(-safe)) / rest
    return (
        np.where(near, 1.0 + z / 2.0 + z * z / 12.0, value),
        np.where(near, 0.5 + z / 6.0 - z**3 / 180.0, slope),
    )


def rate(current: _Floats, gain: float, threshold: float, curvature: float) -> _Floats:
    """Firing rate of a population in Hz: y / (1 - exp(-d y)) with y = a I - b (Deco et al. 2014).

    Parameters
    ----------
    current : array
        Input current I, in nA.
    gain, threshold, curvature : float
        a in 1/nC, b in Hz and d in s.

    Returns
    -------
    array
        Rates, of the shape of ``current``.
    """
    return _shape(curvature * (gain * current - threshold))[0] / curvature


def rate_slope(current: _Floats, gain: float, threshold: float, curvature: float) -> _Floats:
    """Derivative of :func:`rate` by the current, in Hz/nA; same arguments."""
    return gain * _shape(curvature * (gain * current - threshold))[1]


def currents(terms: Terms, s_e: _Floats, s_i: _Floats) -> tuple[_Floats, _Floats]:
    """Input currents of both populations in nA, from the open gates S_E and S_I ((n,) each)."""
    excitatory = (
        terms.drive_excitatory
        + terms.local_excitatory * s_e
        + terms.remote_excitatory @ s_e
        - terms.inhibition * s_i
    )
    inhibitory = terms.drive_inhibitory + terms.local_inhibitory * s_e + terms.remote_inhibitory @ s_e - s_i
    return excitatory, inhibitory


def rates(terms: Terms, s_e: _Floats, s_i: _Floats) -> tuple[_Floats, _Floats]:
    """Firing rates of both populations in Hz, from the open gates ((n,) each)."""
    node = terms.node
    excitatory, inhibitory = currents(terms, s_e, s_i)
    return (
        rate(excitatory, node.gain_excitatory, node.threshold_excitatory, node.curvature_excitatory),
        rate(inhibitory, node.gain_inhibitory, node.threshold_inhibitory, node.curvature_inhibitory),
    )


@dataclass(frozen=True, eq=False)
class _Blocks:
    """The four n by n blocks of the Jacobian; those from S_I are diagonal. All in 1/s."""

    ee: _Floats
    ei: _Floats
    ie: _Floats
    ii: _Floats


def _blocks(terms: Terms, s_e: _Floats, s_i: _Floats) -> _Blocks:
    node = terms.node
    excitatory, inhibitory = currents(terms, s_e, s_i)
    gain = (node.gain_excitatory, node.threshold_excitatory, node.curvature_excitatory)
    steep_e = (1.0 - s_e) * node.opening * rate_slope(excitatory, *gain)
    steep_i = rate_slope(
        inhibitory, node.gain_inhibitory, node.threshold_inhibitory, node.curvature_inhibitory
    )
    closing = 1.0 / node.time_excitatory + node.opening * rate(excitatory, *gain)
    own = steep_e * terms.local_excitatory - closing
    return _Blocks(
        ee=np.diag(own) + steep_e[:, None] * terms.remote_excitatory,
        ei=-steep_e * terms.inhibition,
        ie=np.diag(steep_i * terms.local_inhibitory) + steep_i[:, None] * terms.remote_inhibitory,
        ii=-steep_i - 1.0 / node.time_inhibitory,
    )


def jacobian(terms: Terms, s_e: _Floats, s_i: _Floats) -> _Floats:
    """Jacobian of the 2n equations, first all S_E, then all S_I; (2n, 2n), in 1/s."""
    n = len(s_e)
    blocks = _blocks(terms, s_e, s_i)
    full = np.empty((2 * n, 2 * n))
    full[:n, :n], full[:n, n:] = blocks.ee, np.diag(blocks.ei)
    full[n:, :n], full[n:, n:] = blocks.ie, np.diag(blocks.ii)
    return full


def derivatives(terms: Terms, s_e: _Floats, s_i: _Floats) -> tuple[_Floats, _Floats]:
    """Time derivatives of the gates without noise, in 1/s."""
    node = terms.node
    r_e, r_i = rates(terms, s_e, s_i)
    return -s_e / node.time_excitatory + (1.0 - s_e) * node.opening * r_e, -s_i / node.time_inhibitory + r_i


def relax(terms: Terms, s_e: _Floats, s_i: _Floats) -> tuple[_Floats, _Floats]:
    """Follow the equations without noise to where they rest.

    Implicit Euler steps whose length grows as the derivatives fall (pseudo-transient
    continuation): at first it follows the path in time, so that it stays on the branch that
    the start belongs to; at last it is Newton's method with the analytic Jacobian.

    Parameters
    ----------
    terms : Terms
        Coefficients of n regions.
    s_e, s_i : (n,) array
        Where to start.

    Returns
    -------
    s_e, s_i : (n,) array
        The fixed point.

    Raises
    ------
    BrainError
        If no fixed point is reached: the network is unstable.
    """
    n = len(s_e)
    d_e, d_i = derivatives(terms, s_e, s_i)
    size = max(float(np.abs(d_e).max()), float(np.abs(d_i).max()))
    step = _FIRST_STEP
    for _ in range(_MOST_STEPS):
        if size < _TOLERANCE:
            return s_e, s_i
        blocks = _blocks(terms, s_e, s_i)
        # S_I enters its own equation and that of S_E only region by region: eliminate it.
        last = 1.0 / step - blocks.ii
        matrix = -blocks.ee - (blocks.ei / last)[:, None] * blocks.ie
        matrix[np.diag_indices(n)] += 1.0 / step
        try:
            move_e = np.linalg.solve(matrix, d_e + blocks.ei / last * d_i)
        except np.linalg.LinAlgError:
            break
        move_i = (d_i + blocks.ie @ move_e) / last
        s_e, s_i = np.clip(s_e + move_e, 0.0, 1.0), np.maximum(s_i + move_i, 0.0)
        d_e, d_i = derivatives(terms, s_e, s_i)
        before, size = size, max(float(np.abs(d_e).max()), float(np.abs(d_i).max()))
        step = min(step * min(max(before / max(size, 1e-300), 0.5), 20.0), _LONGEST_STEP)
    raise BrainError(
        "unstable network: no fixed point is reached from the start that was given; lower the local "
        "weights or the global coupling, or make the influence weaker."
    )
