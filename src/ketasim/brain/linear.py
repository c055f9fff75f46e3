"""Functional connectivity without simulation: the covariance of linear noise, seen through blood flow.

Near a stable fixed point the gates are an Ornstein-Uhlenbeck process with Jacobian A. In the
eigenbasis A = V diag(lambda) V^-1, with noise covariance Q = V^-1 (sigma^2 I) V^-T and the linear
haemodynamic response H, the zero-lag covariance of the signal is V (M * Q) V^T with::

    M_ab = 1/(2 pi) integral H(iw) H(-iw) / ((iw - lambda_a)(-iw - lambda_b)) dw

which closes by residues over lambda_a and the poles of H: no frequency grid, no truncation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.equations import jacobian
from ketasim.brain.haemodynamics import Haemodynamics, load_haemodynamics
from ketasim.brain.model import BrainModel, FixedPoint, Influence, check_stable, resting
from ketasim.errors import BrainError

__all__ = ["LinearConnectivity", "correlation", "linear_connectivity"]

_Floats = NDArray[np.float64]
_Complex = NDArray[np.complex128]
# Eigenvectors lose as many digits as their condition number has; half of double precision must be left.
_WORST_CONDITION = 1e8


@dataclass(frozen=True, eq=False)
class LinearConnectivity:
    """Functional connectivity at a fixed point.

    Parameters
    ----------
    fc : (n, n) array
        Correlation of the signals of the regions.
    covariance : (n, n) array
        Their covariance.
    fixed : FixedPoint
        Where the network rests.
    eigenvalue : float
        Real part of the leading eigenvalue, in 1/s; the nearer to 0, the nearer to criticality.
    """

    fc: _Floats
    covariance: _Floats
    fixed: FixedPoint
    eigenvalue: float


def correlation(covariance: _Floats) -> _Floats:
    """Correlation matrix of a covariance matrix, (n, n)."""
    spread = np.sqrt(np.diag(covariance))
    return covariance / spread[:, None] / spread


def linear_connectivity(
    model: BrainModel,
    influence: Influence | None = None,
    haemodynamics: bool | Haemodynamics = True,
    start: FixedPoint | None = None,
) -> LinearConnectivity:
    """Functional connectivity by the theory of small noise.

    Parameters
    ----------
    model : BrainModel
        The network.
    influence : Influence, optional
        Default: none.
    haemodynamics : bool or Haemodynamics
        Look through blood flow (default: the shipped constants), or at the NMDA gates themselves.
    start : FixedPoint, optional
        See :func:`ketasim.brain.fixed_point`.

    Returns
    -------
    LinearConnectivity
        Correlations, covariance, fixed point and leading eigenvalue.

    Raises
    ------
    BrainError
        If the network is unstable, without noise, or its modes cannot be told apart.
    """
    terms = model.terms(influence)
    fixed = resting(model, terms, start)
    eigenvalues, vectors = np.linalg.eig(jacobian(terms, fixed.s_e, fixed.s_i))
    leading = float(eigenvalues.real.max())
    check_stable(leading)
    if model.node.noise == 0.0:
        raise BrainError("node parameter noise is 0; without noise there are no correlations.")
    if isinstance(haemodynamics, Haemodynamics):
        seen: Haemodynamics | None = haemodynamics
    else:
        seen = load_haemodynamics() if haemodynamics else None
    covariance = _covariance(eigenvalues, vectors, model.node.noise, model.n_regions, seen)
    return LinearConnectivity(correlation(covariance), covariance, fixed, leading)


def _covariance(
    eigenvalues: _Complex, vectors: _Complex, noise: float, n: int, seen: Haemodynamics | None
) -> _Floats:
    inverse = np.linalg.inv(vectors)
    if float(np.linalg.norm(vectors, 1) * np.linalg.norm(inverse, 1)) > _WORST_CONDITION:
        raise BrainError(
            "two modes of the network coincide, so that its covariance cannot be computed mode by mode; "
            "change a weight a little."
        )
    modes = noise**2 * (inverse @ inverse.T) * _overlap(eigenvalues, seen)
    covariance = (vectors[:n] @ modes @ vectors[:n].T).real
    return np.asarray((covariance + covariance.T) / 2.0, dtype=np.float64)


def _overlap(eigenvalues: _Complex, seen: Haemodynamics | None) -> _Complex:
    """M_ab of the module's docstring, (2n, 2n)."""
    together = -1.0 / (eigenvalues[:, None] + eigenvalues)
    if seen is None:
        return np.asarray(together, dtype=np.complex128)
    total = (seen.transfer(eigenvalues) * seen.transfer(-eigenvalues))[:, None] * together
    for pole, residue in zip(seen.poles, seen.residues(), strict=True):
        weight = residue * seen.transfer(-pole)
        total = total + weight / (pole - eigenvalues)[:, None] / (-pole - eigenvalues)
    return np.asarray(total, dtype=np.complex128)
